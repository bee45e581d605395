-- expect: round-trip
CREATE SCHEMA app;
CREATE TYPE app.level AS ENUM (
    'low',
    'high'
);
CREATE TABLE app.item (
    id integer NOT NULL,
    level app.level DEFAULT 'low'::app.level NOT NULL,
    label text COLLATE "C"
);
ALTER TABLE app.item ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME app.item_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
ALTER TABLE ONLY app.item
    ADD CONSTRAINT item_pkey PRIMARY KEY (id);
CREATE INDEX item_level_idx ON app.item USING btree (level);
REVOKE USAGE ON SCHEMA app FROM PUBLIC;
GRANT USAGE ON SCHEMA app TO corpus_reader;
