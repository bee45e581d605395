/*---
title = "A large table that time could partition"
group = "capacity"
says = """A table of 10 million rows or 10 GB, now or within 180 days at the rate that was seen, that is not partitioned
and has a time column which its rows follow: it defaults to the time of the insert, or its values lie in the table in
their order (correlation of 0.9 or more either way). Partitioned by month, a query of a period reads that period only,
old months go by DETACH and DROP instead of DELETE and VACUUM, and maintenance works on one month at a time."""
mend = "Make a twin that is partitioned by that column, move the rows, and let the twin take the name."
doubt = """Partitioning serves queries that say which period they mean, and the removal of old rows; other queries get \
slower with the number of partitions."""
---*/
-- First by size, from the facts or the catalog; only what is large is asked for its columns and their statistics.
with facts as materialized (
  select f.relation, f.rows, f.bytes, f.row_bytes, f.rows_a_day, f."column"
  from pg_catalog.jsonb_to_recordset(%(growth)s::jsonb) as f(
    relation oid, rows float8, bytes float8, row_bytes float8, rows_a_day float8, "column" text
  )
), tables as (
  select
    c.oid, n.nspname, c.relname, f."column",
    coalesce(
      f.rows,
      case when c.reltuples > 0 then c.reltuples::float8 else pg_catalog.pg_stat_get_live_tuples(c.oid) end
    ) as rows,
    coalesce(
      f.bytes, (c.relpages::int8 + coalesce(o.relpages, 0)) * pg_catalog.current_setting('block_size')::float8
    ) as bytes,
    greatest(coalesce(f.rows_a_day, 0), 0) as rows_a_day,
    coalesce(f.row_bytes, 0) as row_bytes
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_class o on o.oid = c.reltoastrelid
  left join facts f on f.relation = c.oid
  where c.relkind = 'r' and not c.relispartition
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.deptype = 'e'
    )
    -- partitioned by hand already, by inheritance
    and not exists (select from pg_catalog.pg_inherits i where i.inhrelid = c.oid)
    and not exists (select from pg_catalog.pg_inherits i where i.inhparent = c.oid)
), large as materialized (
  select t.*
  from tables t
  where t.rows + t.rows_a_day * 180 >= 10000000 or t.bytes + t.rows_a_day * t.row_bytes * 180 >= 10737418240
), timed as (
  select
    l.oid, a.attname, a.attnum, a.attnotnull, a.atttypid,
    case
      when a.attname = l."column" then 0
      when a.attname ~ '^(created|inserted)' then 1
      when a.attname ~ '^(updated|modified|changed|last)' then 4
      when a.attname ~ '_at$' then 2
      else 3
    end as rank,
    d.defaults,
    s.correlation
  from large l
  join pg_catalog.pg_attribute a on a.attrelid = l.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    and a.atttypid in ('pg_catalog.date'::regtype, 'pg_catalog.timestamp'::regtype, 'pg_catalog.timestamptz'::regtype)
  left join lateral (
    select e.expression ~* '\m(now\(\)|\w+_timestamp\(\)|current_timestamp|current_date|localtimestamp)'
      and e.expression !~ '[+-]|interval' as defaults
    from pg_catalog.pg_attrdef d
    cross join lateral pg_catalog.pg_get_expr(d.adbin, d.adrelid) e(expression)
    where d.adrelid = l.oid and d.adnum = a.attnum
  ) d on true
  left join pg_catalog.pg_stats s
    on s.schemaname = l.nspname and s.tablename = l.relname and s.attname = a.attname and not s.inherited
  left join lateral (
    -- appointments and expiries are no record of what came
    select h.bounds[pg_catalog.ceil(pg_catalog.cardinality(h.bounds) * 0.95)::int4]
      > pg_catalog.now() + interval '1 day' as coming
    from (select s.histogram_bounds::text::timestamptz[] as bounds) h
  ) f on true
  where a.attname = l."column"
    or ((coalesce(d.defaults, false) or pg_catalog.abs(s.correlation) >= 0.9)
      and coalesce(s.null_frac, 0) <= 0.1 and not coalesce(f.coming, false))
), chosen as (
  select distinct on (t.oid) t.*
  from timed t
  order by t.oid, t.rank, not t.attnotnull, t.attnum
), constraints as (
  select
    c.oid,
    (
      select pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by k.n)
      from pg_catalog.pg_index x
      cross join pg_catalog.unnest(x.indkey::int2[]) with ordinality k(attnum, n)
      join pg_catalog.pg_attribute a on a.attrelid = x.indrelid and a.attnum = k.attnum
      where x.indrelid = c.oid and x.indisprimary and k.n <= x.indnkeyatts
    ) as key,
    (
      select pg_catalog.bool_or(c.attnum = any (x.indkey)) from pg_catalog.pg_index x
      where x.indrelid = c.oid and x.indisprimary
    ) as key_has_it,
    (
      select pg_catalog.string_agg(pg_catalog.quote_ident(i.relname), ', ' order by i.relname)
      from pg_catalog.pg_index x
      join pg_catalog.pg_class i on i.oid = x.indexrelid
      where x.indrelid = c.oid and (x.indisunique or x.indisexclusion) and not x.indisprimary
        and not c.attnum = any (x.indkey)
    ) as uniques,
    (
      select pg_catalog.string_agg(
        pg_catalog.format('%%I on %%I.%%I', f.conname, n.nspname, r.relname), ', '
        order by n.nspname, r.relname, f.conname
      )
      from pg_catalog.pg_constraint f
      join pg_catalog.pg_class r on r.oid = f.conrelid
      join pg_catalog.pg_namespace n on n.oid = r.relnamespace
      where f.confrelid = c.oid and f.contype = 'f' and f.conparentid = 0
    ) as referencing,
    exists (
      select from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attidentity <> '' and not a.attisdropped
    ) as has_identity
  from chosen c
), told as (
  select
    l.*, c.attname, c.attnotnull, c.defaults, c.correlation,
    k.key, k.key_has_it, k.uniques, k.referencing, k.has_identity,
    pg_catalog.format('%%I.%%I', l.nspname, l.relname) as name,
    pg_catalog.format('%%I.%%I', l.nspname, pg_catalog.left(l.relname, 50) || '_partitioned') as twin,
    pg_catalog.quote_ident(c.attname) as by
  from large l
  join chosen c on c.oid = l.oid
  join constraints k on k.oid = l.oid
)
select
  t.name as object,
  t.name as relation,
  'routine' as level,
  pg_catalog.format(
    '%%s rows, %%s MB%%s; its rows follow %%s (%%s)',
    pg_catalog.to_char(t.rows, 'FM999,999,999,999,990'),
    pg_catalog.to_char(t.bytes / 1048576, 'FM999,999,999,990'),
    case when t.rows_a_day > 0 then pg_catalog.format(
      ', in 180 days %%s rows and %%s MB',
      pg_catalog.to_char(t.rows + t.rows_a_day * 180, 'FM999,999,999,999,990'),
      pg_catalog.to_char((t.bytes + t.rows_a_day * t.row_bytes * 180) / 1048576, 'FM999,999,999,990')
    ) else '' end,
    t.by,
    pg_catalog.concat_ws(
      ', ',
      case when t.defaults then 'it defaults to the time of the insert' end,
      'correlation ' || pg_catalog.to_char(t.correlation, 'FM990.00'),
      case when t.defaults is not true and t.correlation is null then 'as growth is told by it' end
    )
  ) as detail,
  '' as remedy,
  pg_catalog.concat_ws(
    E'\n',
    pg_catalog.format('Partition it by month of %%s. A sketch, to be tried on a copy:', t.by),
    pg_catalog.format(
      E'create table %%s (like %%s including defaults including constraints including generated including storage '
      'including comments)\n  partition by range (%%s);',
      t.twin, t.name, t.by
    ),
    case when t.key is not null then pg_catalog.format(
      'alter table %%s add primary key (%%s%%s);%%s',
      t.twin, t.key, case when t.key_has_it then '' else ', ' || t.by end,
      case when t.key_has_it then '' else pg_catalog.format(
        '  -- a key has to hold the column it is partitioned by: (%%s) alone is no longer unique', t.key
      ) end
    ) end,
    (
      select pg_catalog.string_agg(
        pg_catalog.format(
          'create table %%I.%%I partition of %%s for values from (%%L) to (%%L);',
          t.nspname, pg_catalog.left(t.relname, 50) || pg_catalog.to_char(m.first, '_YYYY_MM'), t.twin,
          pg_catalog.to_char(m.first, 'YYYY-MM-DD'), pg_catalog.to_char(m.first + interval '1 month', 'YYYY-MM-DD')
        ),
        E'\n' order by m.first
      )
      from pg_catalog.generate_series(
        pg_catalog.date_trunc('month', pg_catalog.now()),
        pg_catalog.date_trunc('month', pg_catalog.now()) + interval '2 months',
        '1 month'
      ) m(first)
    ) || E'\n-- and so on, one a month back to the oldest row and some months ahead',
    pg_catalog.format(
      'create table %%I.%%I partition of %%s default;', t.nspname, pg_catalog.left(t.relname, 50) || '_rest', t.twin
    ),
    'Then its indexes; copy the rows in ranges of the key while new ones go to both, and exchange the names in one '
      'transaction.',
    'Not copied: policies, privileges, triggers, foreign keys, membership of publications.',
    case when t.has_identity then
      'Its identity column: give the twin one that begins at the present value (PostgreSQL 17 or newer), or a default.'
    end,
    case when not t.attnotnull then t.by || case
      when t.key is null then ' may be null: rows without it go to the default partition.'
      else ' may be null: set it not null first, the key needs it.'
    end end,
    'They would be unique within a month only: ' || t.uniques || '.',
    'These foreign keys would have to hold ' || t.by || ' as well, or go: ' || t.referencing || '.'
  ) as advice,
  '' as doubt,
  t.rows::float8 as weight
from told t
order by 8 desc, 1
