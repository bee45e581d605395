-- What tells one object from every other, however it is called; no row where there is none of the name. `what` is its
-- sort, `on` the relation (or enum) that it belongs to, `kinds` are letters of relkind; a function comes as its oid.
select c.oid::text as identity
from pg_catalog.pg_class c
where %(what)s = 'relation' and c.oid = pg_catalog.to_regclass(%(named)s) and c.relkind = any (%(kinds)s::"char"[])
union all
select attrelid::text || '.' || attnum::text
from pg_catalog.pg_attribute
where %(what)s = 'column' and attrelid = pg_catalog.to_regclass(%(on)s) and attname = %(name)s
  and attnum > 0 and not attisdropped
union all
select oid::text
from pg_catalog.pg_constraint
where %(what)s = 'constraint' and conrelid = pg_catalog.to_regclass(%(on)s) and conname = %(name)s
union all
select oid::text
from pg_catalog.pg_trigger
where %(what)s = 'trigger' and tgrelid = pg_catalog.to_regclass(%(on)s) and tgname = %(name)s
union all
select oid::text
from pg_catalog.pg_policy
where %(what)s = 'policy' and polrelid = pg_catalog.to_regclass(%(on)s) and polname = %(name)s
union all
select oid::text from pg_catalog.pg_proc where %(what)s = 'function' and oid = %(oid)s
union all
select oid::text from pg_catalog.pg_namespace where %(what)s = 'schema' and nspname = %(name)s
union all
select t.oid::text
from pg_catalog.pg_type t
where %(what)s = 'type' and t.oid = pg_catalog.to_regtype(%(named)s)
union all
select e.oid::text
from pg_catalog.pg_enum e
where %(what)s = 'value' and e.enumtypid = pg_catalog.to_regtype(%(on)s) and e.enumlabel = %(name)s
order by 1
