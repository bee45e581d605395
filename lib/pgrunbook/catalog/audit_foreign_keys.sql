-- Foreign keys and the index that begins with their columns, those without one first.
select
  pg_catalog.format('%%I.%%I', n.nspname, t.relname) as table,
  (select pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by k.n)
   from pg_catalog.unnest(c.conkey) with ordinality k(attnum, n)
   join pg_catalog.pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.attnum) as columns,
  pg_catalog.format('%%I.%%I', rn.nspname, r.relname) as references,
  coalesce(x.name || case when x.partial then ' (partial)' else '' end, '') as index,
  case c.confdeltype when 'c' then 'cascade' when 'n' then 'set null' when 'd' then 'set default' else 'refused' end as on_delete,
  greatest(t.reltuples, 0)::int8 as estimated_rows,
  coalesce(s.n_tup_del, 0)::int8 as parent_deletes
from pg_catalog.pg_constraint c
join pg_catalog.pg_class t on t.oid = c.conrelid
join pg_catalog.pg_namespace n on n.oid = t.relnamespace
join pg_catalog.pg_class r on r.oid = c.confrelid
join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
left join pg_catalog.pg_stat_all_tables s on s.relid = c.confrelid
left join lateral (
  select i.relname::text as name, x.indpred is not null as partial
  from pg_catalog.pg_index x
  join pg_catalog.pg_class i on i.oid = x.indexrelid
  where x.indrelid = c.conrelid and x.indisvalid
    and (x.indkey::int2[])[0:pg_catalog.cardinality(c.conkey) - 1] @> c.conkey
    and x.indnkeyatts >= pg_catalog.cardinality(c.conkey)
  order by 2, x.indnkeyatts, 1
  limit 1
) x on true
where c.contype = 'f' and not t.relispartition and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
order by x.name is not null, 6 desc, 1, 2
limit %(most)s
