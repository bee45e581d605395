-- Sequences that this role may not read, and how many more there are than one transaction should lock.
select
  count(*) filter (where not s.readable)::int4 as unreadable,
  coalesce((pg_catalog.array_agg(s.name order by s.name) filter (where not s.readable))[1:3], '{}')::text[] as names,
  greatest(
    count(*) filter (where s.readable)
      - pg_catalog.current_setting('max_locks_per_transaction')::int8
      * pg_catalog.current_setting('max_connections')::int8 / 4,
    0
  )::int4 as too_many
from (
  select
    pg_catalog.format('%%I.%%I', n.nspname, c.relname) as name,
    pg_catalog.has_sequence_privilege(c.oid, 'select,usage') as readable
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'S' and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.deptype = 'e'
    )
) s
order by 1
