-- Of some indexes that are to be dropped, those whose leading columns another valid index still has afterwards: one that
-- stays, of the same kind and predicate, whose columns begin with all of theirs.
with dropped as materialized (
  select d.name, i.*, c.relam
  from pg_catalog.unnest(%(names)s::text[]) d(name)
  join pg_catalog.pg_index i on i.indexrelid = pg_catalog.to_regclass(d.name)
  join pg_catalog.pg_class c on c.oid = i.indexrelid
)
select d.name
from dropped d
where exists (
  select from pg_catalog.pg_index k
  join pg_catalog.pg_class c on c.oid = k.indexrelid
  where k.indrelid = d.indrelid and k.indisvalid and c.relam = d.relam and k.indnkeyatts >= d.indnkeyatts
    and k.indexrelid not in (select indexrelid from dropped)
    and (k.indkey::int2[])[0:d.indnkeyatts - 1] = (d.indkey::int2[])[0:d.indnkeyatts - 1]
    and (k.indclass::oid[])[0:d.indnkeyatts - 1] = (d.indclass::oid[])[0:d.indnkeyatts - 1]
    and (k.indcollation::oid[])[0:d.indnkeyatts - 1] = (d.indcollation::oid[])[0:d.indnkeyatts - 1]
    and pg_catalog.pg_get_expr(k.indpred, k.indrelid) is not distinct from pg_catalog.pg_get_expr(d.indpred, d.indrelid)
)
order by 1
