-- expect: round-trip
CREATE TABLE public.t (id integer NOT NULL);
ALTER TABLE public.t OWNER TO corpus_owner;
ALTER TABLE ONLY public.t REPLICA IDENTITY FULL;
