/*---
title = "Blocks that are not found in shared buffers"
group = "capacity"
says = """How many of the blocks that queries asked for were in shared buffers, since the statistics began. For the
database, with a million blocks asked for or more: below 99 % routine, below 90 % important. For a table, with 100,000
blocks of it asked for or more: below 90 % noted. A share far below that says that the working set does not fit, or
that queries read what they do not need."""
mend = "First the queries that read most (an index, less rows), then memory: shared_buffers."
doubt = """A miss may still be answered by the operating system's cache. A restart, a backup by COPY, or one large \
report lowers the share for long."""
---*/
-- The counters of the database, and those of the tables without their indexes: of the heap, partitions one by one.
with share as (
  select
    pg_catalog.quote_ident(d.datname) as object,
    d.blks_hit::float8 as hit,
    (d.blks_hit + d.blks_read)::float8 as asked,
    coalesce(pg_catalog.to_char(d.stats_reset, 'YYYY-MM-DD'), 'they began') as since
  from pg_catalog.pg_stat_database d
  where d.datname = pg_catalog.current_database()
), tables as (
  select
    pg_catalog.format('%%I.%%I', n.nspname, c.relname) as object,
    pg_catalog.pg_stat_get_blocks_hit(c.oid)::float8 as hit,
    pg_catalog.pg_stat_get_blocks_fetched(c.oid)::float8 as asked,
    c.relpages
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'm') and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and pg_catalog.pg_stat_get_blocks_fetched(c.oid) >= 100000
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.deptype = 'e'
    )
), buffers as (
  select pg_catalog.current_setting('shared_buffers') as size
)
select
  'database' as object,
  '' as relation,
  case when s.hit < s.asked * 0.9 then 'important' else 'routine' end as level,
  pg_catalog.format(
    '%%s %%%% of %%s blocks asked for in %%s were in shared buffers (%%s), since %%s',
    pg_catalog.to_char(pg_catalog.floor(s.hit / s.asked * 10000) / 100, 'FM990.00'),
    pg_catalog.to_char(s.asked, 'FM999,999,999,999,990'), s.object, b.size, s.since
  ) as detail,
  '' as remedy,
  'Look at the statements that read most blocks and mend those first; then compare the tables and indexes that are in '
    'use with shared_buffers: a quarter of the memory is the usual beginning.' as advice,
  '' as doubt,
  s.asked - s.hit as weight
from share s
cross join buffers b
where s.asked >= 1000000 and s.hit < s.asked * 0.99
union all
select
  t.object,
  t.object,
  'noted',
  pg_catalog.format(
    '%%s %%%% of %%s blocks asked for were in shared buffers; the table has %%s MB, shared buffers %%s',
    pg_catalog.to_char(pg_catalog.floor(t.hit / t.asked * 10000) / 100, 'FM990.00'),
    pg_catalog.to_char(t.asked, 'FM999,999,999,999,990'),
    pg_catalog.to_char(t.relpages * pg_catalog.current_setting('block_size')::float8 / 1048576, 'FM999,999,990.0'),
    b.size
  ),
  '',
  'What reads it whole? An index, or fewer rows at a time, would leave the other tables'' blocks in memory.',
  '',
  t.asked - t.hit
from tables t
cross join buffers b
where t.hit < t.asked * 0.9
order by 8 desc, 1
