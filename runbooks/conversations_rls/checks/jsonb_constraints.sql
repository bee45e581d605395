/*---
title = "Both JSONB constraints are there and validated"
---*/
select w.constraint_name, w.table_name,
    case
        when k.oid is null then 'missing, or on another table'
        when not k.convalidated then 'not validated: rows from before may break it'
        else 'not about metadata: ' || pg_catalog.pg_get_constraintdef(k.oid)
    end as fault
from (
    values
        ('conversations_metadata_valid', 'conversations'),
        ('messages_metadata_valid', 'messages')
) as w (constraint_name, table_name)
left join pg_catalog.pg_constraint as k
    on k.conrelid = pg_catalog.to_regclass(w.table_name) and k.conname = w.constraint_name and k.contype = 'c'
where (k.convalidated and pg_catalog.pg_get_constraintdef(k.oid) like '%jsonb_typeof(metadata)%') is not true
order by w.constraint_name;
