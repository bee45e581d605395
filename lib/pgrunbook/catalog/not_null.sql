-- Whether a column may be null, and what stands there of the way to NOT NULL: `helper`, a CHECK of that name; from 18
-- on a constraint that is not validated; `taken`: another constraint bears the name that it would get. `checks` are the valid constraints that may prove it already, `children` the
-- tables below that have the column NOT NULL.
with recursive below(oid) as (
  select inhrelid from pg_catalog.pg_inherits where inhparent = pg_catalog.to_regclass(%(table)s)
  union
  select i.inhrelid from below b join pg_catalog.pg_inherits i on i.inhparent = b.oid
)
select
  a.attnotnull as not_null,
  coalesce(n.conname::text, '') as constraint_name,
  coalesce(n.convalidated, a.attnotnull) as validated,
  exists (
    select from pg_catalog.pg_constraint o
    where o.conrelid = a.attrelid and o.conname = %(constraint)s and o.oid is distinct from n.oid
  ) as taken,
  coalesce(pg_catalog.obj_description(n.oid, 'pg_constraint'), '') as comment,
  coalesce(case h.convalidated when true then 'valid' when false then 'not valid' end, '') as helper,
  array(
    select pg_catalog.pg_get_constraintdef(c.oid)
    from pg_catalog.pg_constraint c
    where c.conrelid = a.attrelid and c.contype = 'c' and c.convalidated and c.conkey @> array[a.attnum]
      and c.conname <> %(helper)s
    order by c.conname
  ) as checks,
  array(
    select pg_catalog.format('%%I.%%I', s.nspname, r.relname)
    from below
    join pg_catalog.pg_class r on r.oid = below.oid
    join pg_catalog.pg_namespace s on s.oid = r.relnamespace
    join pg_catalog.pg_attribute b on b.attrelid = r.oid and b.attname = a.attname and b.attnotnull
    order by 1
  ) as children
from pg_catalog.pg_attribute a
left join pg_catalog.pg_constraint n
  on n.conrelid = a.attrelid and n.contype = 'n' and n.conkey = array[a.attnum]
left join pg_catalog.pg_constraint h
  on h.conrelid = a.attrelid and h.contype = 'c' and h.conname = %(helper)s
  and pg_catalog.replace(pg_catalog.pg_get_constraintdef(h.oid), ' NOT VALID', '')
    = pg_catalog.format('CHECK ((%%I IS NOT NULL))', a.attname)
where a.attrelid = pg_catalog.to_regclass(%(table)s) and a.attname = %(column)s and a.attnum > 0 and not a.attisdropped
order by a.attnum
