/*---
title = "Row level security is on, with four policies a table, one a command, for authenticated, none with a bare auth.uid()"
---*/
-- Counting them is not enough: with row level security off, or beside a policy for PUBLIC or for ALL, four say nothing.
with policies as (
    select w.name as table_name, p.polname, p.polcmd, p.polroles, p.polpermissive,
        concat_ws(' ', pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)) as says
    from (values ('conversations'), ('messages')) as w (name)
    join pg_catalog.pg_policy as p on p.polrelid = pg_catalog.to_regclass(w.name)
)
select w.name as table_name, 'row level security is off' as fault
from (values ('conversations'), ('messages')) as w (name)
left join pg_catalog.pg_class as c on c.oid = pg_catalog.to_regclass(w.name)
where c.relrowsecurity is not true
union all
select w.name, 'policies for ' || k.command || ': ' || count(p.polname)::text || ' instead of 1'
from (values ('conversations'), ('messages')) as w (name)
cross join (values ('r', 'SELECT'), ('a', 'INSERT'), ('w', 'UPDATE'), ('d', 'DELETE')) as k (letter, command)
left join policies as p on p.table_name = w.name and p.polcmd = k.letter
group by w.name, k.command
having count(p.polname) <> 1
union all
select p.table_name, 'policy ' || p.polname || ' is for ALL commands'
from policies as p
where p.polcmd = '*'
union all
select p.table_name, 'policy ' || p.polname || ' is not for authenticated alone'
from policies as p
where p.polroles <> array[(select r.oid from pg_catalog.pg_roles as r where r.rolname = 'authenticated')]
union all
select p.table_name, 'policy ' || p.polname || ' is restrictive'
from policies as p
where not p.polpermissive
union all
select p.table_name, 'policy ' || p.polname || ' calls auth.uid() by itself'
from policies as p
where p.says like '%auth.uid()%'
order by table_name, fault;
