-- A table's constraint by its name. Run with search_path = pg_catalog, so that what it names is named with its schema.
-- `nullable` are the columns of its key that may be null.
select
  c.contype::text as type,
  c.convalidated as validated,
  coalesce((pg_catalog.to_jsonb(c) ->> 'conenforced')::bool, true) as enforced,
  pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(c.oid), ' NOT VALID$', '') as definition,
  c.coninhcount > 0 as inherited,
  exists (
    select from pg_catalog.pg_trigger t where t.tgconstraint = c.oid and t.tgisinternal and t.tgenabled <> 'O'
  ) as triggers_altered,
  coalesce(pg_catalog.obj_description(c.oid, 'pg_constraint'), '') as comment,
  coalesce(case when c.contype in ('p', 'u', 'x') then pg_catalog.format('%%I.%%I', n.nspname, i.relname) end, '') as index,
  coalesce(case when c.contype in ('p', 'u', 'x') then i.reloptions::text end, '') as traits,
  array(
    select a.attname::text
    from pg_catalog.pg_attribute a
    where a.attrelid = c.conrelid and a.attnum = any (c.conkey) and not a.attnotnull
    order by a.attnum
  ) as nullable
from pg_catalog.pg_constraint c
left join pg_catalog.pg_class i on i.oid = c.conindid
left join pg_catalog.pg_namespace n on n.oid = i.relnamespace
where c.conrelid = pg_catalog.to_regclass(%(table)s) and c.conname = %(name)s
order by c.oid
