-- The comment on one object, and the object as the fingerprint names it; no row where the object is not there. Nothing is
-- locked. `what` is how COMMENT ON calls it; `on` is the relation of a column, policy, trigger, rule or constraint.
with object(classid, objid, objsubid) as (
  select 'pg_class'::regclass, c.oid, 0
  from pg_catalog.pg_class c
  where %(what)s = 'relation' and c.oid = pg_catalog.to_regclass(%(named)s)
  union all
  select 'pg_class'::regclass, attrelid, attnum::int
  from pg_catalog.pg_attribute
  where %(what)s = 'column' and attrelid = pg_catalog.to_regclass(%(on)s) and attname = %(name)s
    and attnum > 0 and not attisdropped
  union all
  select 'pg_constraint'::regclass, oid, 0
  from pg_catalog.pg_constraint
  where %(what)s = 'constraint' and conrelid = pg_catalog.to_regclass(%(on)s) and conname = %(name)s
  union all
  select 'pg_trigger'::regclass, oid, 0
  from pg_catalog.pg_trigger
  where %(what)s = 'trigger' and tgrelid = pg_catalog.to_regclass(%(on)s) and tgname = %(name)s
  union all
  select 'pg_policy'::regclass, oid, 0
  from pg_catalog.pg_policy
  where %(what)s = 'policy' and polrelid = pg_catalog.to_regclass(%(on)s) and polname = %(name)s
  union all
  select 'pg_rewrite'::regclass, oid, 0
  from pg_catalog.pg_rewrite
  where %(what)s = 'rule' and ev_class = pg_catalog.to_regclass(%(on)s) and rulename = %(name)s
  union all
  select 'pg_proc'::regclass, oid, 0 from pg_catalog.pg_proc where %(what)s = 'function' and oid = %(oid)s
  union all
  select 'pg_namespace'::regclass, oid, 0 from pg_catalog.pg_namespace where %(what)s = 'schema' and nspname = %(name)s
  union all
  select 'pg_type'::regclass, t.oid, 0
  from pg_catalog.pg_type t
  where %(what)s = 'type' and t.oid = pg_catalog.to_regtype(%(named)s)
  union all
  select 'pg_extension'::regclass, oid, 0 from pg_catalog.pg_extension where %(what)s = 'extension' and extname = %(name)s
  union all
  select 'pg_statistic_ext'::regclass, s.oid, 0
  from pg_catalog.pg_statistic_ext s
  join pg_catalog.pg_namespace n on n.oid = s.stxnamespace
  where %(what)s = 'statistics' and s.stxname = %(name)s and n.nspname = %(schema)s
)
select coalesce(d.description, '') as text, i.type || ' ' || i.identity as ident
from object o
left join pg_catalog.pg_description d on (d.classoid, d.objoid, d.objsubid) = (o.classid, o.objid, o.objsubid)
cross join lateral pg_catalog.pg_identify_object(o.classid, o.objid, o.objsubid) i
order by 2
