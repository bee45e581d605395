-- Foreign keys and the index that begins with their columns; those without one first, then those with a partial one, which
-- the check of the key can't use unless its condition is that the columns are not null.
select
  pg_catalog.format('%%I.%%I', n.nspname, t.relname) as table,
  (select pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by k.n)
   from pg_catalog.unnest(c.conkey) with ordinality k(attnum, n)
   join pg_catalog.pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.attnum) as columns,
  pg_catalog.format('%%I.%%I', rn.nspname, r.relname) as references,
  coalesce(x.name || case when x.partial then ' (partial)' else '' end, '') as index,
  case c.confdeltype when 'c' then 'cascade' when 'n' then 'set null' when 'd' then 'set default' else 'refused' end as on_delete,
  size.rows as estimated_rows,
  coalesce(pg_catalog.pg_stat_get_tuples_deleted(c.confrelid), 0)::int8 as parent_deletes
from pg_catalog.pg_constraint c
join pg_catalog.pg_class t on t.oid = c.conrelid
join pg_catalog.pg_namespace n on n.oid = t.relnamespace
join pg_catalog.pg_class r on r.oid = c.confrelid
join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
left join lateral (
  select i.relname::text as name, x.indpred is not null as partial
  from pg_catalog.pg_index x
  join pg_catalog.pg_class i on i.oid = x.indexrelid
  join pg_catalog.pg_am am on am.oid = i.relam
  where x.indrelid = c.conrelid and x.indisvalid
    and (am.amname = 'btree' or am.amname = 'hash' and pg_catalog.cardinality(c.conkey) = 1)
    and x.indnkeyatts >= pg_catalog.cardinality(c.conkey)
    and (x.indkey::int2[])[0:pg_catalog.cardinality(c.conkey) - 1] @> c.conkey
  order by 2, x.indnkeyatts, 1
  limit 1
) x on true
cross join lateral (
  select coalesce(
    (
      select pg_catalog.sum(greatest(p.reltuples, 0))
      from pg_catalog.pg_partition_tree(t.oid) l
      join pg_catalog.pg_class p on p.oid = l.relid
      where t.relkind = 'p' and l.isleaf
    ),
    greatest(t.reltuples, 0)
  )::int8 as rows
) size
where c.contype = 'f' and c.conparentid = 0 and not t.relispartition
  and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
  and not exists (
    select from pg_catalog.pg_depend e
    where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = t.oid and e.deptype = 'e'
  )
order by x.name is not null, not coalesce(x.partial, false), 6 desc, 1, 2
limit %(most)s
