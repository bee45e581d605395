-- All by which two indexes of one table differ but for their names; indclass and the rest are of the catalog,
-- so spelling does not matter.
select pg_catalog.jsonb_build_array(
  i.indisunique,
  pg_catalog.to_jsonb(i) -> 'indnullsnotdistinct',
  i.indimmediate,
  i.indisexclusion,
  am.amname,
  i.indnkeyatts,
  i.indclass::text,
  i.indcollation::text,
  i.indoption::text,
  (select pg_catalog.array_agg(pg_catalog.pg_get_indexdef(i.indexrelid, k, true) order by k)
   from pg_catalog.generate_series(1, i.indnatts) k),
  (select pg_catalog.array_agg(a.attoptions::text order by a.attnum)
   from pg_catalog.pg_attribute a where a.attrelid = i.indexrelid),
  pg_catalog.pg_get_expr(i.indpred, i.indrelid, true),
  (select pg_catalog.array_agg(x order by x) from pg_catalog.unnest(c.reloptions) x)
)::text as signature
from pg_catalog.pg_index i
join pg_catalog.pg_class c on c.oid = i.indexrelid
join pg_catalog.pg_am am on am.oid = c.relam
where i.indexrelid = %(oid)s
order by i.indexrelid
