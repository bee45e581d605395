-- expect: round-trip
-- setup: store.sql
create or replace function touch() returns trigger language plpgsql as $$
begin
    new.note := coalesce(new.note, '');
    return new;
end
$$;
