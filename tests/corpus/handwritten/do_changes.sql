-- expect: irreversible: DO
-- setup: store.sql
do $$
declare t text;
begin
    foreach t in array array['orders', 'products'] loop
        execute format('comment on table %I is %L', t, 'seen');
    end loop;
end
$$;
