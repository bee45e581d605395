-- expect: round-trip
CREATE TABLE public.base (id integer PRIMARY KEY, at date DEFAULT CURRENT_DATE);
CREATE TABLE public.child (extra text) INHERITS (public.base);
CREATE UNLOGGED TABLE public.cache (key text PRIMARY KEY, value jsonb) WITH (fillfactor = '70');
