/*---
title = "Transaction numbers that run out"
group = "capacity"
says = """PostgreSQL counts transactions, and groups of transactions that lock a row together (multixacts), with 32
bits; rows have to be frozen before two billion more have passed, or it takes no more writes. Autovacuum does so when a
table's age passes autovacuum_freeze_max_age (200 million unless changed), for multixacts
autovacuum_multixact_freeze_max_age (400 million). An age of one and a half times that says that it does not get through
(routine); above 1.2 billion of the 2.1 billion there are it is important. Looked at: every database of the server, and
the 20 oldest tables of this one, with what they keep in TOAST."""
mend = "Find what keeps old transactions visible, end it, and vacuum with freeze."
doubt = "A vacuum may be under way and bring it down without more help: see pg_stat_progress_vacuum."
---*/
-- The age of a database is that of its oldest table; what holds vacuum back is named where it is older than the limit.
with limits as (
  select
    pg_catalog.current_setting('autovacuum_freeze_max_age')::float8 * 1.5 as xid,
    pg_catalog.current_setting('autovacuum_multixact_freeze_max_age')::float8 * 1.5 as mxid,
    1200000000::float8 as grave
), aged as (
  select
    pg_catalog.quote_ident(d.datname) as object,
    '' as relation,
    case
      when d.datname = pg_catalog.current_database() then 'here'
      when d.datallowconn then 'there'
      else 'closed'
    end as at,
    pg_catalog.age(d.datfrozenxid)::float8 as xid,
    pg_catalog.mxid_age(d.datminmxid)::float8 as mxid,
    0::int8 as bytes
  from pg_catalog.pg_database d
  union all
  select t.name, t.name, 'here', t.xid, t.mxid, t.bytes
  from limits l
  cross join lateral (
    select
      pg_catalog.format('%%I.%%I', n.nspname, c.relname) as name,
      greatest(pg_catalog.age(c.relfrozenxid), coalesce(pg_catalog.age(o.relfrozenxid), 0))::float8 as xid,
      greatest(pg_catalog.mxid_age(c.relminmxid), coalesce(pg_catalog.mxid_age(o.relminmxid), 0))::float8 as mxid,
      (c.relpages::int8 + coalesce(o.relpages, 0)) * pg_catalog.current_setting('block_size')::int8 as bytes
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    left join pg_catalog.pg_class o on o.oid = c.reltoastrelid
    where c.relkind in ('r', 'm') and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
      and not exists (
        select from pg_catalog.pg_depend e
        where e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.deptype = 'e'
      )
    order by greatest(
      pg_catalog.age(c.relfrozenxid) / l.xid, pg_catalog.age(o.relfrozenxid) / l.xid,
      pg_catalog.mxid_age(c.relminmxid) / l.mxid, pg_catalog.mxid_age(o.relminmxid) / l.mxid
    ) desc
    limit 20
  ) t
), holding as (
  select
    'prepared transaction ' || pg_catalog.quote_literal(p.gid) as what, pg_catalog.age(p.transaction) as age, true as firm
  from pg_catalog.pg_prepared_xacts p
  union all
  select 'replication slot ' || r.slot_name, greatest(pg_catalog.age(r.xmin), pg_catalog.age(r.catalog_xmin)), true
  from pg_catalog.pg_replication_slots r
  union all
  select 'standby ' || s.application_name, pg_catalog.age(s.backend_xmin), true from pg_catalog.pg_stat_replication s
  union all
  select 'backend ' || a.pid, pg_catalog.age(a.backend_xid), true from pg_catalog.pg_stat_activity a
  union all
  select 'backend ' || a.pid, pg_catalog.age(a.backend_xmin), false
  from pg_catalog.pg_stat_activity a
  where a.backend_xid is null and a.pid <> pg_catalog.pg_backend_pid()
), holders as (
  select pg_catalog.string_agg(
    h.what || ' (' || pg_catalog.to_char(h.age, 'FM999,999,999,990') || ')', ', ' order by h.age desc
  ) as names
  from (
    select h.what, h.age
    from holding h
    cross join limits l
    -- every snapshot begins at the oldest transaction there is: as old as another holder, it only follows that one
    where h.age > l.xid / 1.5 and (h.firm or not exists (select from holding o where o.firm and o.age >= h.age))
    order by h.age desc
    limit 3
  ) h
)
select
  a.object,
  a.relation,
  case when greatest(a.xid, a.mxid) > l.grave then 'important' else 'routine' end as level,
  pg_catalog.concat(
    pg_catalog.concat_ws(
      ' and ',
      case when a.xid > least(l.xid, l.grave) then pg_catalog.format(
        'the oldest transaction that is not frozen is %%s transactions old, %%s %%%% of what there is',
        pg_catalog.to_char(a.xid, 'FM999,999,999,990'), pg_catalog.to_char(a.xid / 21474836.48, 'FM990.0')
      ) end,
      case when a.mxid > least(l.mxid, l.grave) then pg_catalog.format(
        'the oldest multixact is %%s old, %%s %%%% of what there is',
        pg_catalog.to_char(a.mxid, 'FM999,999,999,990'), pg_catalog.to_char(a.mxid / 21474836.48, 'FM990.0')
      ) end
    ),
    pg_catalog.format(
      '; autovacuum was to freeze from %%s (multixacts %%s) on',
      pg_catalog.to_char(l.xid / 1.5, 'FM999,999,999,990'), pg_catalog.to_char(l.mxid / 1.5, 'FM999,999,999,990')
    ),
    '; held back by ' || h.names
  ) as detail,
  case when a.relation <> '' then pg_catalog.format('vacuum (freeze) %%s;', a.relation) else '' end as remedy,
  pg_catalog.concat_ws(
    ' ',
    case when h.names is not null then 'First end what holds it back, or vacuum freezes nothing.' end,
    case
      when a.relation <> '' then null
      when a.at = 'here'
        then 'Vacuum its oldest tables with freeze (the findings beside this one), or all of it: vacuum (freeze);'
      when a.at = 'there'
        then 'Connect to that database and vacuum its oldest tables with freeze, or all of it: vacuum (freeze);'
      else 'Nobody can connect to that database: let autovacuum get to it, or allow connections and vacuum with freeze.'
    end
  ) as advice,
  '' as doubt,
  greatest(a.xid, a.mxid) as weight
from aged a
cross join limits l
cross join holders h
where a.xid > least(l.xid, l.grave) or a.mxid > least(l.mxid, l.grave)
order by 8 desc, 1
