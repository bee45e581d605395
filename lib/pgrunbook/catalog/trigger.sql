-- A trigger: the statement that makes it, and how it is enabled; `clones` are those of partitions that are enabled
-- otherwise. Run with search_path = pg_catalog, so that names are qualified.
select
  pg_get_triggerdef(t.oid) as definition,
  t.tgenabled::text as enabled,
  array(
    select c.tgrelid::regclass::text || ' ' || c.tgenabled::text
    from pg_partition_tree(t.tgrelid) p
    join pg_trigger c on c.tgrelid = p.relid and c.tgname = t.tgname and c.tgenabled <> t.tgenabled
    order by 1
  ) as clones
from pg_trigger t
where t.tgrelid = to_regclass(%(relation)s) and t.tgname = %(name)s and (not t.tgisinternal or t.tgconstraint = 0)
order by t.oid
