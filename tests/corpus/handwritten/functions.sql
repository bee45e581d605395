-- expect: round-trip
-- setup: store.sql
create or replace function full_price(cents integer) returns numeric language sql immutable strict
    as $body$ select round(cents / 100.0, 2) $body$;
create function discount(cents integer, percent integer default 10) returns integer
    language plpgsql as $$
begin
    -- a semicolon; inside
    return cents - cents * percent / 100;
end
$$;
comment on function discount(integer, integer) is 'with care';
