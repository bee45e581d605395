-- Whether a relation is a table, or one of the same partition tree, or a view that reads one of these.
with recursive family as (
  select %(table)s::int8::oid as oid
  union
  select p.relid::oid
  from pg_catalog.pg_partition_tree(coalesce(pg_catalog.pg_partition_root(%(table)s::int8::oid), %(table)s::int8)::oid) p
),
read as (
  select %(relation)s::int8::oid as oid
  union
  select d.refobjid
  from read
  join pg_catalog.pg_rewrite w on w.ev_class = read.oid
  join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = w.oid
    and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
)
select exists (select from read join family using (oid)) as found
order by 1
