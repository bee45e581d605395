/*---
title = "Every conversation and message has an org_id, and the column is NOT NULL"
---*/
select 'conversations' as table_name, c.id::text as row
from conversations as c
where c.org_id is null
union all
select 'messages', m.id::text
from messages as m
where m.org_id is null
union all
select w.name, 'org_id may be null'
from (values ('conversations'), ('messages')) as w (name)
left join pg_catalog.pg_attribute as a on a.attrelid = pg_catalog.to_regclass(w.name) and a.attname = 'org_id'
where a.attnotnull is not true
order by table_name, row;
