-- expect: round-trip
CREATE FUNCTION public.plus_one(a integer, b integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'select a + b + 1';
CREATE AGGREGATE public.sum_one(integer) (SFUNC = public.plus_one, STYPE = integer, INITCOND = '0');
