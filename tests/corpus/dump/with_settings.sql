-- expect: round-trip
SET statement_timeout = 0;
SET client_encoding = 'UTF8';
CREATE TABLE public.t (id integer);
