-- expect: round-trip
CREATE FUNCTION public.posts_search() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  new.tsv := to_tsvector('simple', new.title);
  return new;
end
$$;
CREATE TABLE public.posts (
    id bigint NOT NULL,
    title character varying,
    tsv tsvector
);
CREATE SEQUENCE public.posts_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.posts_id_seq OWNED BY public.posts.id;
ALTER TABLE ONLY public.posts ALTER COLUMN id SET DEFAULT nextval('public.posts_id_seq'::regclass);
ALTER TABLE ONLY public.posts
    ADD CONSTRAINT posts_pkey PRIMARY KEY (id);
CREATE INDEX index_posts_on_tsv ON public.posts USING gin (tsv);
CREATE TRIGGER posts_tsv BEFORE INSERT OR UPDATE ON public.posts FOR EACH ROW EXECUTE FUNCTION public.posts_search();
