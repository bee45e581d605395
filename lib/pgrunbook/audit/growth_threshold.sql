/*---
title = "A table above 10 or 50 million rows, or soon"
group = "capacity"
says = """A table that has, or within 365 days will have, 10 million rows without being partitioned, or 50 million rows.
From 10 million rows on, what reads all of a table takes minutes: an analytic query, VACUUM, an index build, a restore.
At 50 million storage and every backup hold many rows that nobody asks for any more. Important: 10 million are there and
the table is not partitioned. Routine: they will be within 365 days at the rate that was seen. Noted: a partitioned
table with 50 million, whose old partitions could go. Dates are a straight line through the past, between those of the
slowest and the fastest rate that was seen."""
mend = "Partition by time; move what nobody asks for any more into an archive, in batches."
doubt = """The numbers of rows are estimates of the statistics. A table that is read by its key only stays fast at any \
size."""
needs = ["growth"]
---*/
-- Rows and rates from the facts, else the rows of the catalog, partitions summed into their table.
with recursive facts as materialized (
  select f.relation, f.rows, f.row_bytes, f.rows_a_day, f.low, f.high, f.method, f."column", f.since, f.until
  from pg_catalog.jsonb_to_recordset(%(growth)s::jsonb) as f(
    relation oid, rows float8, row_bytes float8, rows_a_day float8, low float8, high float8, method text, "column" text,
    since text, until text
  )
), members as (
  select c.oid as root, c.oid as member, c.relkind
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and not c.relispartition
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.deptype = 'e'
    )
  union all
  select m.root, c.oid, c.relkind
  from members m
  join pg_catalog.pg_inherits i on i.inhparent = m.member
  join pg_catalog.pg_class c on c.oid = i.inhrelid
  where m.relkind = 'p'
), sums as (
  select
    m.root,
    sum(case when c.reltuples > 0 then c.reltuples::float8 else pg_catalog.pg_stat_get_live_tuples(c.oid) end) as rows,
    sum(c.relpages::int8 + coalesce(o.relpages, 0)) * pg_catalog.current_setting('block_size')::int8 as bytes
  from members m
  join pg_catalog.pg_class c on c.oid = m.member
  left join pg_catalog.pg_class o on o.oid = c.reltoastrelid
  where m.relkind = 'r'
  group by m.root
), tables as (
  select
    t.oid,
    n.nspname,
    t.relname,
    t.relkind = 'p' as partitioned,
    coalesce(f.rows, s.rows, 0) as rows,
    coalesce(nullif(f.row_bytes, 0), s.bytes / nullif(s.rows, 0), 0) as row_bytes,
    coalesce(f.rows_a_day, 0) as rows_a_day,
    coalesce(f.low, f.rows_a_day, 0) as low,
    coalesce(f.high, f.rows_a_day, 0) as high,
    f.method,
    coalesce(f."column", '') as "column",
    f.since,
    f.until
  from pg_catalog.pg_class t
  join pg_catalog.pg_namespace n on n.oid = t.relnamespace
  join members m on m.root = t.oid and m.member = t.oid
  left join sums s on s.root = t.oid
  left join facts f on f.relation = t.oid
), crossing as materialized (
  select t.*, t.rows + greatest(t.rows_a_day, 0) * 365 as in_a_year
  from tables t
  where t.rows + greatest(t.rows_a_day, 0) * 365 >= case when t.partitioned then 50000000 else 10000000 end
), dates as (
  select c.oid, pg_catalog.string_agg(d.told, '; ' order by d.threshold) as told
  from crossing c
  cross join lateral (
    select
      l.threshold,
      pg_catalog.format('%%s million rows', l.threshold / 1000000) || case
        when c.rows >= l.threshold then ' are passed'
        when min(a.at) = max(a.at) then ': ' || max(a.at)
        else pg_catalog.format(
          ': %%s (%%s to %%s)',
          max(a.at) filter (where a.n = 1), max(a.at) filter (where a.n = 2), max(a.at) filter (where a.n = 3)
        )
      end as told
    from (values (10000000), (50000000)) l(threshold)
    cross join lateral (
      select
        r.n,
        case when r.rate > 0 and (l.threshold - c.rows) / r.rate between 0 and 5 * 365
          then pg_catalog.to_char(pg_catalog.now() + (l.threshold - c.rows) / r.rate * interval '1 day', 'YYYY-MM-DD')
          else 'not within 5 years' end as at
      from (values (1, c.rows_a_day), (2, c.high), (3, c.low)) r(n, rate)
    ) a
    group by l.threshold
  ) d
  group by c.oid
), keys as (
  select
    x.indrelid as oid,
    pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by k.n) as columns,
    pg_catalog.string_agg('t.' || pg_catalog.quote_ident(a.attname), ', ' order by k.n) as of_t,
    pg_catalog.string_agg('b.' || pg_catalog.quote_ident(a.attname), ', ' order by k.n) as of_b,
    pg_catalog.string_agg(':last_' || k.n, ', ' order by k.n) as last,
    pg_catalog.string_agg(pg_catalog.quote_ident(a.attname) || ' desc', ', ' order by k.n) as downwards
  from crossing c
  join pg_catalog.pg_index x on x.indrelid = c.oid and x.indisprimary
  cross join pg_catalog.unnest(x.indkey::int2[]) with ordinality k(attnum, n)
  join pg_catalog.pg_attribute a on a.attrelid = x.indrelid and a.attnum = k.attnum
  where k.n <= x.indnkeyatts
  group by x.indrelid
), referencing as (
  select c.oid, pg_catalog.string_agg(distinct pg_catalog.format('%%I.%%I', n.nspname, r.relname), ', ') as tables
  from crossing c
  join pg_catalog.pg_constraint f on f.confrelid = c.oid and f.contype = 'f' and f.conparentid = 0
  join pg_catalog.pg_class r on r.oid = f.conrelid
  join pg_catalog.pg_namespace n on n.oid = r.relnamespace
  group by c.oid
), told as (
  select
    c.*,
    d.told,
    k.columns as key,
    pg_catalog.format('%%I.%%I', c.nspname, c.relname) as name,
    pg_catalog.format('%%I.%%I', c.nspname, pg_catalog.left(c.relname, 55) || '_archive') as archive,
    k.of_t, k.of_b, k.last, k.downwards,
    r.tables as referencing,
    -- a batch of 8 MB at most: long enough to be worth a commit, short enough for locks and replicas
    (pg_catalog.floor(least(greatest(8388608 / greatest(c.row_bytes, 40), 500), 20000) / 100) * 100)::int8 as batch,
    case when c."column" <> ''
      then pg_catalog.format(
        '%%I < %%L', c."column", pg_catalog.to_char(pg_catalog.now() - interval '1 year', 'YYYY-MM-DD')
      )
    end as old,
    u.inserted, u.updated, u.deleted
  from crossing c
  join dates d on d.oid = c.oid
  left join keys k on k.oid = c.oid
  left join referencing r on r.oid = c.oid
  left join lateral (
    select
      sum(pg_catalog.pg_stat_get_tuples_inserted(m.member)) as inserted,
      sum(pg_catalog.pg_stat_get_tuples_updated(m.member)) as updated,
      sum(pg_catalog.pg_stat_get_tuples_deleted(m.member)) as deleted
    from members m
    where m.root = c.oid
  ) u on true
)
select
  t.name as object,
  t.name as relation,
  case when t.partitioned then 'noted' when t.rows >= 10000000 then 'important' else 'routine' end as level,
  pg_catalog.format(
    '%%s rows%%s; %%s',
    pg_catalog.to_char(t.rows, 'FM999,999,999,999,990'),
    case
      when t.method is null then ', how many more a day is not known'
      when t.rows_a_day <= 0 then ', not growing'
      else pg_catalog.format(
        ', %%s more a day (%%s to %%s%%s)',
        pg_catalog.to_char(t.rows_a_day, 'FM999,999,999,990'), pg_catalog.to_char(t.low, 'FM999,999,999,990'),
        pg_catalog.to_char(t.high, 'FM999,999,999,990'),
        case
          when t.method = 'snapshots' then ', seen by earlier audits '
          else ', seen in ' || pg_catalog.quote_ident(t."column") || ' '
        end || coalesce(t.since || ' to ' || t.until, '')
      )
    end,
    t.told
  ) as detail,
  '' as remedy,
  pg_catalog.concat_ws(
    E'\n',
    case
      when t.partitioned then 'It is partitioned: detach the oldest partitions, and drop or archive them.'
      when t.old is not null then pg_catalog.format(
        'Partition it by month of %%I: the lint partition_candidate has the statements for it%%s.', t."column",
        case when t.rows + t.rows_a_day * 180 < 10000000 then ', from half a year ahead' else '' end
      )
      else 'Partition it by time if its rows follow a time column (see the lint partition_candidate), else by ranges '
        'of its key.'
    end,
    case
      when t.in_a_year < 50000000 or t.partitioned then null
      when t.deleted > t.inserted / 100 or t.updated > t.inserted / 10
        then pg_catalog.format(
          'Archive by what is closed rather than by age: of %%s rows that came since the statistics began, %%s were '
          'updated and %%s deleted.',
          t.inserted,
          t.updated, t.deleted
        )
      when t.key is null then pg_catalog.format(
        E'Archive what nobody asks for any more%%s, in batches of %%s, until none is moved:\n'
        'create table %%s (like %%s);\n'
        'with moved as (\n'
        '  delete from %%s t where t.ctid = any (array(select o.ctid from %%s o where %%s limit %%s)) returning t.*\n'
        ')\ninsert into %%s select * from moved;',
        case when t.old is not null then ' (here what is older than a year)' end, b.told,
        t.archive, t.name, t.name, t.name, coalesce(t.old, ':what_is_old'), t.batch, t.archive
      )
      else pg_catalog.format(
        E'Archive what nobody asks for any more%%s, in batches of %%s along the key, each with '
        'the last key of the one before (the first one without that condition), until none is moved:\n'
        'create table %%s (like %%s, primary key (%%s));\n'
        'with batch as (\n'
        '  select %%s from %%s\n  where %%s and (%%s) > (%%s)\n  order by %%s limit %%s\n'
        '), moved as (\n'
        '  delete from %%s t using batch b where (%%s) = (%%s) returning t.*\n'
        '), kept as (\n'
        '  insert into %%s select * from moved returning %%s\n'
        ')\nselect %%s from kept order by %%s limit 1;',
        case when t.old is not null then ' (here what is older than a year)' end, b.told,
        t.archive, t.name, t.key,
        t.key, t.name, coalesce(t.old, ':what_is_old'), t.key, t.last, t.key, t.batch,
        t.name, t.of_t, t.of_b, t.archive, t.key, t.key, t.downwards
      )
    end,
    case when t.in_a_year >= 50000000 and not t.partitioned then
      'Policies, privileges and defaults are not copied to an archive. The space of moved rows is used again, not '
      'given back.'
    end,
    'Foreign keys that stand in the way of moving rows: ' || t.referencing || '.'
  ) as advice,
  case
    when t.until is not null and t.until < pg_catalog.to_char(pg_catalog.now() - interval '30 days', 'YYYY-MM-DD')
      then 'Its newest row is of ' || t.until || ': it may have stopped growing. The rows are an estimate.'
    else ''
  end as doubt,
  t.rows::float8 as weight
from told t
cross join lateral pg_catalog.concat(
  pg_catalog.to_char(t.batch, 'FM999,990'), ' rows',
  case when t.row_bytes > 0 then ' (about ' || pg_catalog.pg_size_pretty((t.batch * t.row_bytes)::int8) || ')' end
) b(told)
order by 8 desc, 1
