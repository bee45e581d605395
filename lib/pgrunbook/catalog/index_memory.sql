-- All that brings an index back as it was. Run with search_path = pg_catalog, so that its definition names all with
-- their schemas. `nullable` are its columns that may be null,
-- `constraint_name` is of the constraint that it stands behind, `parent` the partitioned index that it is
-- a part of, `needed_by` the foreign keys that need it.
select
  pg_catalog.pg_get_indexdef(c.oid) as definition,
  n.nspname::text as schema,
  c.relname::text as name,
  pg_catalog.format('%%I.%%I', tn.nspname, t.relname) as relation,
  c.relkind = 'I' as partitioned,
  i.indisvalid and i.indisready and i.indislive as valid,
  coalesce(s.spcname::text, '') as tablespace,
  coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), '') as comment,
  i.indisclustered as clustered,
  i.indisreplident as replica_identity,
  array(
    select pg_catalog.concat_ws(' ', a.attnum, a.attstattarget)
    from pg_catalog.pg_attribute a
    where a.attrelid = c.oid and a.attstattarget >= 0
    order by a.attnum
  ) as statistics,
  array(
    select a.attname::text
    from pg_catalog.pg_attribute a
    where a.attrelid = t.oid and a.attnum = any (i.indkey) and not a.attnotnull
    order by a.attnum
  ) as nullable,
  coalesce((
    select k.conname::text from pg_catalog.pg_constraint k
    where k.conindid = c.oid and k.conrelid = t.oid and k.contype in ('p', 'u', 'x') order by 1 limit 1
  ), '') as constraint_name,
  coalesce((
    select pg_catalog.format('%%I.%%I', pn.nspname, p.relname)
    from pg_catalog.pg_inherits h
    join pg_catalog.pg_class p on p.oid = h.inhparent
    join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
    where h.inhrelid = c.oid
  ), '') as parent,
  coalesce((
    select pg_catalog.string_agg(
      pg_catalog.format('%%I of %%s', k.conname, k.conrelid::pg_catalog.regclass), ', ' order by k.conname)
    from pg_catalog.pg_constraint k
    where k.conindid = c.oid and k.contype = 'f' and k.conparentid = 0
  ), '') as needed_by
from pg_catalog.pg_class c
join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_index i on i.indexrelid = c.oid
join pg_catalog.pg_class t on t.oid = i.indrelid
join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
left join pg_catalog.pg_tablespace s on s.oid = c.reltablespace
where n.nspname = %(schema)s and c.relname = %(name)s
order by c.oid
