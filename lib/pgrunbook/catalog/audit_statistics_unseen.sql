-- Whether scans and rows are counted at all, and the tables from 1,000 rows whose columns' statistics are not to be had.
with known as materialized (
  select distinct s.schemaname, s.tablename, s.inherited from pg_catalog.pg_stats s
),
tables as (
  select
    pg_catalog.format('%%I.%%I', n.nspname, c.relname) as name,
    pg_catalog.has_any_column_privilege(c.oid, 'select') and not pg_catalog.row_security_active(c.oid) as readable
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join known k on k.schemaname = n.nspname and k.tablename = c.relname and k.inherited = (c.relkind = 'p')
  where c.relkind in ('r', 'm', 'p') and c.relhasindex and not (c.relispartition and c.relkind = 'p')
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and (c.relkind = 'p' or greatest(c.reltuples, pg_catalog.pg_stat_get_live_tuples(c.oid)) >= 1000)
    and k.tablename is null
)
select
  pg_catalog.current_setting('track_counts')::bool as counted,
  pg_catalog.count(*) filter (where not t.readable)::int4 as hidden,
  coalesce((pg_catalog.array_agg(t.name order by t.name) filter (where not t.readable))[1:3], '{}')::text[] as hidden_names,
  pg_catalog.count(*) filter (where t.readable)::int4 as unanalysed,
  coalesce((pg_catalog.array_agg(t.name order by t.name) filter (where t.readable))[1:3], '{}')::text[] as unanalysed_names
from tables t
order by 1
