-- A table as a partition: its parent and bound, empty for none; a detaching that is not finished is told by `pending`.
select
  case when p.oid is null then '' else pg_catalog.format('%%I.%%I', n.nspname, p.relname) end as parent,
  coalesce(pg_catalog.pg_get_expr(c.relpartbound, c.oid), '') as bound,
  coalesce((pg_catalog.to_jsonb(i) ->> 'inhdetachpending')::boolean, false) as pending,
  coalesce(pg_catalog.pg_get_partition_constraintdef(c.oid), '') as proof
from pg_catalog.pg_class c
left join pg_catalog.pg_inherits i on i.inhrelid = c.oid and c.relispartition
left join pg_catalog.pg_class p on p.oid = i.inhparent
left join pg_catalog.pg_namespace n on n.oid = p.relnamespace
where c.oid = pg_catalog.to_regclass(%(name)s)
order by c.oid
