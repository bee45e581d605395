/*---
title = "SELECT * of a wide table"
group = "workload"
says = """
A statement that is called at least 100 times takes all columns of a table with ten columns or more, or of one with a
wide column: more than 1 kB on average by the statistics, or held outside the table (TOAST) with over 1 kB a row. Every
call reads, sends and parses columns that may not be used, and no index can answer it alone. Wide columns make it
routine, for each of them is fetched and unpacked by itself."""
mend = """Name the columns that the caller uses; fetch wide ones only where they are shown."""
doubt = """
The caller may use every column, as an export or a copy does. A driver or ORM that names all columns one by one costs
the same and is not found here."""
needs = ["statements"]
---*/
-- The facts say that a star is there; whose, where a statement has several tables, is read off its FROM clause.
with starred as materialized (
  select s.*,
    coalesce(pg_catalog.substring(
      s.text, '(?i)\mfrom\M(.*?)(?:\m(?:where|group|order|having|limit|offset|fetch|for|union|window)\M|$)'
    ), '') as from_clause,
    s.text ~* '\mselect\s+(distinct\s+|all\s+)?\*' as bare
  from pg_catalog.jsonb_to_recordset(%(statements)s::jsonb) as s(
    id text, text text, kind text, calls int8, rows int8, ms float8, star bool, relations oid[]
  )
  cross join pg_catalog.generate_series(1, (select 1)) as many  -- without it the planner takes JSON for 100 rows
  where s.star and s.kind = 'select' and s.calls >= 100
), read as materialized (
  select s.id, t.oid, t.relname, t.relkind, pg_catalog.format('%%I.%%I', n.nspname, t.relname) as relation,
    case when s.bare then s.from_clause ~* ('\m' || x.name || '\M')
      else s.text ~* ('\m' || x.name || '\M"?\.\*')
        or exists (
          select from pg_catalog.regexp_matches(s.text, '"?(\w+)"?\.\*', 'g') m(alias)
          where s.from_clause ~* ('\m' || x.name || '\M"?\s+(as\s+)?"?' || m.alias[1] || '\M')
        )
    end as named
  from starred s
  cross join lateral (select distinct u.oid from pg_catalog.unnest(s.relations) u(oid)) r
  join pg_catalog.pg_class c on c.oid = r.oid
  join pg_catalog.pg_class t
    on t.oid = case when c.relispartition then pg_catalog.pg_partition_root(c.oid)::oid else c.oid end
  join pg_catalog.pg_namespace n on n.oid = t.relnamespace
  cross join lateral (
    select pg_catalog.regexp_replace(c.relname, '[^[:alnum:]_]', '\\\&', 'g') as name
  ) x
  where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = t.oid and e.deptype = 'e'
    )
), taken as materialized (
  select r.*, r.guessed and r.tables > 1 as unsure
  from (
    select read.*, count(*) over w as tables, not pg_catalog.bool_or(named) over w as guessed
    from read
    window w as (partition by id)
  ) r
  where r.named or r.guessed
), tables as materialized (
  -- of a partitioned table the largest partition speaks for all
  select t.oid, t.relation, coalesce(p.oid, t.oid) as measured
  from (select distinct oid, relation, relkind from taken) t
  left join lateral (
    select l.relid::oid as oid
    from pg_catalog.pg_partition_tree(case when t.relkind = 'p' then t.oid end::pg_catalog.regclass) l
    join pg_catalog.pg_class c on c.oid = l.relid
    where l.isleaf
    order by c.relpages desc, c.oid
    limit 1
  ) p on true
), columns as materialized (
  select t.oid, a.attnum, a.attname, a.attlen = -1 and a.attstorage in ('x', 'e') as may_be_outside,
    a.atttypid in ('pg_catalog.json'::pg_catalog.regtype, 'pg_catalog.jsonb'::pg_catalog.regtype,
      'pg_catalog.bytea'::pg_catalog.regtype, 'pg_catalog.xml'::pg_catalog.regtype) as document,
    case when a.attlen = -1 then (
      select max(s.avg_width)
      from pg_catalog.pg_stats s
      where s.schemaname = n.nspname and s.tablename = c.relname and s.attname = a.attname
    ) end as width
  from tables t
  join pg_catalog.pg_class c on c.oid = t.measured
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
), outside as materialized (
  select t.oid,
    pg_catalog.pg_relation_size(c.reltoastrelid)
      / greatest(coalesce(nullif(greatest(c.reltuples, 0), 0), pg_catalog.pg_stat_get_live_tuples(c.oid)), 1)
      as bytes_a_row
  from tables t
  join pg_catalog.pg_class c on c.oid = t.measured
  where c.reltoastrelid <> 0
), judged as materialized (
  select t.oid, t.relation, count(*) as columns,
    coalesce(max(o.bytes_a_row), 0) as outside,
    coalesce(sum(c.width) filter (where c.width > 1000), 0) as wide_bytes,
    pg_catalog.string_agg(pg_catalog.quote_ident(c.attname), ', ' order by c.attnum)
      filter (where c.width > 1000) as wide,
    pg_catalog.string_agg(pg_catalog.quote_ident(c.attname), ', ' order by c.attnum)
      filter (where c.may_be_outside and c.width is distinct from 0) as held_outside,
    pg_catalog.string_agg(pg_catalog.quote_ident(c.attname), ', ' order by c.attnum)
      filter (where c.document and c.width is null) as unknown
  from tables t
  join columns c using (oid)
  left join outside o using (oid)
  group by 1, 2
), best as (
  select distinct on (s.id) s.id, s.calls, s.ms, s.text, s.rows / s.calls::float8 as rows_a_call, t.unsure, t.tables,
    j.*,
    j.wide is not null or j.outside > 1000 as is_wide
  from starred s
  join taken t using (id)
  join judged j on j.oid = t.oid
  where j.columns >= 10 or j.wide is not null or j.outside > 1000 or j.unknown is not null
  order by s.id, (j.wide is not null or j.outside > 1000) desc, j.columns desc, j.relation
)
select
  'query ' || b.id as object,
  b.relation,
  case when b.is_wide then 'routine' else 'noted' end as level,
  pg_catalog.format(
    'takes all %%s columns of %%s%%s%%s%%s; %%s calls of %%s rows: %%s', b.columns, b.relation,
    pg_catalog.format(', of them %%s with %%s', b.wide, pg_catalog.pg_size_pretty(b.wide_bytes))
      || case when b.wide is null then null else ' a row on average' end,
    case when b.outside > 1000 then pg_catalog.format(
      ', with %%s a row held outside the table', pg_catalog.pg_size_pretty(b.outside::int8)) end,
    case when not b.is_wide and b.columns < 10 then pg_catalog.format(
      ', of them %%s, whose width no statistics tell', b.unknown) end,
    pg_catalog.to_char(b.calls, 'FM999,999,999,999,990'), pg_catalog.to_char(b.rows_a_call, 'FM999,999,999,990.0'),
    pg_catalog.left(b.text, 200)
  ) as detail,
  '' as remedy,
  case
    when b.wide is not null or b.outside > 1000 then pg_catalog.format(
      'name the columns that are used, and leave out %%s where it is not shown', coalesce(b.wide, b.held_outside))
    else 'name the columns that are used: an index that holds them all can then answer alone'
  end as advice,
  case
    when b.unsure then pg_catalog.format('it reads %%s tables, and the star may be another one''s', b.tables)
    else ''
  end as doubt,
  b.ms as weight
from best b
order by 8 desc, 1
