/*---
title = "Both new indexes are there, on their columns, with the report's conditions, and valid"
---*/
-- By state, not by name: IF NOT EXISTS is content with an invalid index of that name, and with one on other columns.
select w.index_name,
    case
        when x.indexrelid is null then 'missing, or on another table'
        when not (x.indisvalid and x.indisready and x.indislive) then 'not valid'
        else 'another one: ' || pg_catalog.pg_get_indexdef(x.indexrelid)
    end as fault
from (
    values
        ('idx_call_logs_reconnect_token', 'call_logs', 'reconnect_token',
            array['reconnect_token IS NOT NULL', 'status = ''accepted''', 'reconnect_eligible = true']),
        ('idx_invites_expires_at', 'invites', 'expires_at', array['accepted_at IS NULL'])
) as w (index_name, table_name, columns, conditions)
left join pg_catalog.pg_index as x
    on x.indexrelid = pg_catalog.to_regclass(w.index_name) and x.indrelid = pg_catalog.to_regclass(w.table_name)
left join lateral (
    select pg_catalog.string_agg(a.attname, ', ' order by a.attnum) as columns
    from pg_catalog.pg_attribute as a
    where a.attrelid = x.indexrelid
) as k on true
left join lateral (
    select count(*) filter (where pg_catalog.strpos(pg_catalog.pg_get_expr(x.indpred, x.indrelid), c) > 0) as found
    from pg_catalog.unnest(w.conditions) as c
) as p on true
where (
        x.indisvalid and x.indisready and x.indislive and k.columns = w.columns and p.found = pg_catalog.cardinality(w.conditions)
    ) is not true
order by w.index_name;
