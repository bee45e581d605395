-- What a backfill has to know of a table: its primary key in the key's order, what reads through it or hangs on it.
with parts as (
  select pg_catalog.to_regclass(%(table)s)::oid as oid
  union
  select p.relid::oid from pg_catalog.pg_partition_tree(pg_catalog.to_regclass(%(table)s)) p
),
on_update as (
  select t.tgname::text as name, pg_catalog.bool_or(t.tgenabled in ('O', 'A')) as enabled
  from parts join pg_catalog.pg_trigger t on t.tgrelid = parts.oid
  -- 16: for UPDATE; of no column in particular, or of one that is set
  where not t.tgisinternal and t.tgtype & 16 > 0
    and (t.tgattr = '' or exists (
      select from pg_catalog.pg_attribute a
      where a.attrelid = t.tgrelid and a.attnum = any (t.tgattr::int2[]) and a.attname = any (%(columns)s::text[])))
  group by t.tgname
  order by t.tgname
)
select
  coalesce(
    (select pg_catalog.array_agg(a.attname::text order by k.position)
     from pg_catalog.pg_index i
     cross join pg_catalog.unnest(i.indkey::int2[]) with ordinality k(attnum, position)
     join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
     where i.indrelid = c.oid and i.indisprimary and k.position <= i.indnkeyatts),
    '{}'
  ) as key,
  c.relkind = 'r' and exists (select from pg_catalog.pg_inherits i where i.inhparent = c.oid) as has_children,
  exists (
    select from parts join pg_catalog.pg_class f on f.oid = parts.oid where f.relkind = 'f'
  ) as has_foreign_partitions,
  coalesce((select pg_catalog.array_agg(u.name) from on_update u where u.enabled), '{}') as triggers,
  coalesce((select pg_catalog.array_agg(u.name) from on_update u where not u.enabled), '{}') as silent,
  coalesce(
    (select pg_catalog.array_agg(distinct r.rulename::text)
     from parts join pg_catalog.pg_rewrite r on r.ev_class = parts.oid
     where r.ev_type = '2' and r.ev_enabled in ('O', 'A')),
    '{}'
  ) as rules,
  c.relrowsecurity and c.relforcerowsecurity as forced
from pg_catalog.pg_class c
where c.oid = pg_catalog.to_regclass(%(table)s)
order by c.oid
