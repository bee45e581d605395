/*---
title = "voip_users.full_name is there, and the application may leave it empty"
---*/
select 'voip_users.full_name' as object,
    case
        when a.attnum is null then 'missing'
        when a.atttypid <> 'text'::pg_catalog.regtype then 'of type ' || pg_catalog.format_type(a.atttypid, a.atttypmod)
        else 'not null'
    end as fault
from (values ('voip_users', 'full_name')) as w (table_name, column_name)
left join pg_catalog.pg_attribute as a
    on a.attrelid = pg_catalog.to_regclass(w.table_name) and a.attname = w.column_name and not a.attisdropped
where (a.atttypid = 'text'::pg_catalog.regtype and not a.attnotnull) is not true;
