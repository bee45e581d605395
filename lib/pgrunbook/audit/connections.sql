/*---
title = "Connections near their limit"
group = "capacity"
says = """How many of the connections that ordinary roles may open are open at this moment: from 60 % on routine, from
80 % on important. They are max_connections less what is kept for others (superuser_reserved_connections, and from
PostgreSQL 16 on reserved_connections); sessions of clients count, the server's own workers do not. One moment tells
nothing of the peak, and nothing of limits of a role or a database."""
mend = "Put a pooler in front, shorten the pools of the applications, end sessions that idle."
doubt = "It is the count of one moment: the usual load may be far below it, and the peak above it."
---*/
-- Of others' sessions a role without pg_read_all_stats sees no kind and no state: with a user and a database it counts.
with limits as (
  select
    pg_catalog.current_setting('max_connections')::int4 as total,
    pg_catalog.current_setting('superuser_reserved_connections')::int4
      + coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::int4 as reserved,
    0.6 as routine,
    0.8 as important
), sessions as (
  select a.state, a.backend_type is null as hidden
  from pg_catalog.pg_stat_activity a
  where a.backend_type = 'client backend' or (a.backend_type is null and a.usesysid is not null and a.datid is not null)
), states as (
  select
    sum(s.number)::int4 as used,
    pg_catalog.string_agg(s.number || ' ' || s.state, ', ' order by s.number desc, s.state) as told
  from (
    select
      case when s.hidden then 'that this role can''t see into' else coalesce(s.state, 'starting') end as state,
      count(*) as number
    from sessions s
    group by 1
  ) s
)
select
  'connections' as object,
  '' as relation,
  case when s.used >= (l.total - l.reserved) * l.important then 'important' else 'routine' end as level,
  pg_catalog.format(
    '%%s of %%s connections are open at this moment (%%s less %%s kept for superusers and roles with a reserve), '
    '%%s %%%%: %%s',
    s.used, l.total - l.reserved, l.total, l.reserved,
    pg_catalog.to_char(100.0 * s.used / (l.total - l.reserved), 'FM990.0'), s.told
  ) as detail,
  '' as remedy,
  'Put a pooler such as pgbouncer in front of the server, or make the pools of the applications smaller. Sessions '
    '"idle in transaction" have to end their transactions; idle_session_timeout (14 or newer) ends those that only '
    'idle. Each connection more costs memory: raising max_connections needs a restart and comes last.' as advice,
  '' as doubt,
  s.used::float8 as weight
from states s
cross join limits l
where s.used >= (l.total - l.reserved) * l.routine
order by 8 desc, 1
