-- expect: round-trip
-- Deploy flipr:insert_user to pg

BEGIN;

CREATE TABLE users (nickname text primary key, password text not null);

CREATE FUNCTION insert_user(
    nickname TEXT,
    password TEXT
) RETURNS VOID LANGUAGE SQL SECURITY DEFINER AS $$
    INSERT INTO users VALUES($1, md5($2));
$$;

COMMIT;
