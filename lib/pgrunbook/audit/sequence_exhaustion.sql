/*---
title = "A sequence that runs out"
group = "capacity"
says = """A sequence that has used more than half of its range (routine) or more than four fifths (important); at its
end nextval fails, and with it every insert. Its own type, direction, minimum and maximum count. A sequence that cycles
begins again instead: noted. It is read as it stands, also where it was set and not called since. In a database with
more sequences than a quarter of the server's table of locks holds, those of the widest ranges and smallest tables are
left out, and the audit says how many."""
mend = "Give the sequence a wider type; where the column behind it is narrower, that one first."
doubt = "A maximum may have been set on purpose, for numbers of a fixed length."
---*/
-- A sequence that was never called since RESTART has no last value to pg_sequence_last_value, so its row is read:
-- ts_stat is the function of every build that runs a query given as text.
with growth as materialized (
  select g.relation, g.rows_a_day
  from pg_catalog.jsonb_to_recordset(%(growth)s::jsonb) as g(relation oid, rows_a_day float8)
), sequences as materialized (
  select
    q.*, c.relname, n.nspname,
    q.seqmax::numeric - q.seqmin as range,
    -- the other half of a range that begins at zero is not used
    case when q.seqmin < 0 and q.seqstart >= 0 and q.seqincrement > 0 then 0 else q.seqmin end as floor,
    case when q.seqmax > 0 and q.seqstart <= 0 and q.seqincrement < 0 then 0 else q.seqmax end as ceiling
  from pg_catalog.pg_sequence q
  join pg_catalog.pg_class c on c.oid = q.seqrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join pg_catalog.pg_depend o on o.classid = 'pg_catalog.pg_class'::regclass and o.objid = c.oid and o.objsubid = 0
    and o.refclassid = 'pg_catalog.pg_class'::regclass and o.refobjsubid > 0 and o.deptype in ('a', 'i')
  left join pg_catalog.pg_class t on t.oid = o.refobjid
  where n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::regclass and e.objid in (c.oid, t.oid) and e.deptype = 'e'
    )
    and (c.relpersistence = 'p' or not pg_catalog.pg_is_in_recovery())
    and pg_catalog.has_sequence_privilege(q.seqrelid, 'select,usage')
  order by range, t.reltuples desc nulls last
  limit pg_catalog.current_setting('max_locks_per_transaction')::int8
    * pg_catalog.current_setting('max_connections')::int8 / 4
), read as materialized (
  select s.*, coalesce(
    pg_catalog.pg_sequence_last_value(s.seqrelid),
    case when pg_catalog.has_sequence_privilege(s.seqrelid, 'select') then (
      select w.word::int8
      from pg_catalog.ts_stat(pg_catalog.format(
        'select pg_catalog.array_to_tsvector(array[last_value::text]) from %%I.%%I', s.nspname, s.relname
      )) w
    ) end
  ) as at
  from sequences s
), used as materialized (
  select
    r.*,
    case when r.seqincrement > 0 then (r.at::numeric - r.floor) / nullif(r.ceiling::numeric - r.floor, 0)
      else (r.ceiling::numeric - r.at) / nullif(r.ceiling::numeric - r.floor, 0) end as share,
    case when r.seqincrement > 0 then r.ceiling::numeric - r.at else r.at::numeric - r.floor end as rest
  from read r
), feeds as (
  select u.seqrelid, d.refobjid as relation, d.refobjsubid as attnum
  from used u
  join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_class'::regclass and d.objid = u.seqrelid
    and d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjsubid > 0 and d.deptype in ('a', 'i')
  where u.share > 0.5
  union
  select u.seqrelid, a.adrelid, a.adnum
  from used u
  join pg_catalog.pg_depend d on d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = u.seqrelid
    and d.classid = 'pg_catalog.pg_attrdef'::regclass
  join pg_catalog.pg_attrdef a on a.oid = d.objid
  where u.share > 0.5
), columns as (
  select
    f.seqrelid,
    (
      pg_catalog.array_agg(pg_catalog.format('%%I.%%I', n.nspname, t.relname) order by t.relispartition, f.relation)
    )[1] as relation,
    pg_catalog.string_agg(
      pg_catalog.format(
        '%%I.%%I.%%I (%%s)', n.nspname, t.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod)
      ),
      ', ' order by f.relation
    ) filter (where not t.relispartition) as names,
    pg_catalog.bool_or(a.atttypid in ('pg_catalog.int2'::regtype, 'pg_catalog.int4'::regtype)) as narrow,
    max(g.rows_a_day) as rows_a_day
  from feeds f
  join pg_catalog.pg_class t on t.oid = f.relation
  join pg_catalog.pg_namespace n on n.oid = t.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = f.relation and a.attnum = f.attnum
  left join growth g on g.relation = f.relation
  group by f.seqrelid
)
select
  pg_catalog.format('%%I.%%I', u.nspname, u.relname) as object,
  coalesce(c.relation, '') as relation,
  case when u.seqcycle then 'noted' when u.share > 0.8 then 'important' else 'routine' end as level,
  pg_catalog.concat(
    pg_catalog.format(
      'it stands at %%s%%s of %%s (%%s), %%s %%%% of its range are used',
      pg_catalog.to_char(u.at, 'FM9,999,999,999,999,999,990'),
      case when u.seqincrement < 0 then ', counting down,' else '' end,
      pg_catalog.to_char(case when u.seqincrement > 0 then u.seqmax else u.seqmin end, 'FM9,999,999,999,999,999,990'),
      pg_catalog.format_type(u.seqtypid, null),
      pg_catalog.to_char(u.share * 100, 'FM990.0')
    ),
    '; it feeds ' || c.names,
    case when c.rows_a_day > 0 then pg_catalog.format(
      ', which gets %%s rows a day: the rest lasts %%s days',
      pg_catalog.to_char(c.rows_a_day, 'FM999,999,999,990'),
      pg_catalog.to_char(
        pg_catalog.floor(u.rest / pg_catalog.abs(u.seqincrement) / c.rows_a_day::numeric), 'FM9,999,999,999,999,990'
      )
    ) end,
    case when u.seqcache > 1 then pg_catalog.format('; each session takes %%s at once', u.seqcache) end,
    case when u.seqcycle then '; at its end it begins again, with numbers that were given before' end
  ) as detail,
  case
    when u.seqcycle or c.narrow or u.range >= 9223372036854775806 then ''
    else pg_catalog.format(
      'alter sequence %%I.%%I as bigint %%s;', u.nspname, u.relname,
      case when u.seqincrement > 0 then 'no maxvalue' else 'no minvalue' end
    )
  end as remedy,
  case
    when u.seqcycle then 'Make sure that the first numbers are free again by then.'
    when c.narrow
      then 'The column is no wider: make it bigint, then the sequence (see the lint integer_key_exhaustion).'
    when u.range >= 9223372036854775806
      then 'bigint is the widest type: who set it that high? Set it back to just above the numbers in use, or use keys '
        'that are no counter.'
    else ''
  end as advice,
  case
    when c.names is null then 'No column takes it by its default: what does, and how wide is it?'
    else ''
  end as doubt,
  u.share::float8 as weight
from used u
left join columns c on c.seqrelid = u.seqrelid
where u.share > 0.5
order by 8 desc, 1
