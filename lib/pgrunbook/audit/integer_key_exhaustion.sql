/*---
title = "An integer key that runs out"
group = "capacity"
says = """A key column of type smallint or integer (primary key, unique, identity, or with a sequence as its default)
whose values have passed half of what the type holds (routine) or four fifths (important): beyond 32,767 and
2,147,483,647 every insert fails. A bigint sequence does not help where the column is narrower. How far the values are
is told by the sequence, and where there is none, or this role may not read it, by the bounds of the column's
statistics; the detail says which. A foreign key's column that is narrower than the key it references is told once that key
has passed half of what the column holds."""
mend = "Widen the column to bigint, together with the columns that reference it and the sequence."
doubt = """Values that somebody else hands out, or that are spread over the whole type at random, do not run out as a \
counter does."""
---*/
-- Keys from the indexes and defaults; a sequence's value where there is one (see sequence_exhaustion), else pg_stats.
with recursive narrow(typid, most) as (
  values ('pg_catalog.int2'::regtype::oid, 32767::numeric), ('pg_catalog.int4'::regtype::oid, 2147483647::numeric)
  union all
  select d.oid, n.most
  from narrow n
  join pg_catalog.pg_type d on d.typbasetype = n.typid and d.typtype = 'd'
), tables as materialized (
  select c.oid, n.nspname, c.relname, c.relkind, c.reltuples, c.relpages
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and not c.relispartition
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.deptype = 'e'
    )
), fed as materialized (
  select d.refobjid as oid, d.refobjsubid as attnum, d.objid as sequence
  from pg_catalog.pg_depend d
  join pg_catalog.pg_sequence q on q.seqrelid = d.objid
  where d.classid = 'pg_catalog.pg_class'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass
    and d.refobjsubid > 0 and d.deptype in ('a', 'i')
  union
  select a.adrelid, a.adnum, d.refobjid
  from pg_catalog.pg_depend d
  join pg_catalog.pg_attrdef a on a.oid = d.objid
  join pg_catalog.pg_sequence q on q.seqrelid = d.refobjid
  where d.classid = 'pg_catalog.pg_attrdef'::regclass and d.refclassid = 'pg_catalog.pg_class'::regclass
), keys as materialized (
  select k.oid, k.attnum, a.attname, a.atttypid, w.most, k.kind
  from (
    select f.oid, f.attnum, 'counted' as kind from fed f
    union
    select x.indrelid, u.attnum, case when x.indisprimary then 'primary key' else 'unique' end
    from pg_catalog.pg_index x
    cross join pg_catalog.unnest(x.indkey::int2[]) with ordinality u(attnum, n)
    where x.indisunique and x.indisvalid and u.n <= x.indnkeyatts
  ) k
  join pg_catalog.pg_attribute a on a.attrelid = k.oid and a.attnum = k.attnum and (a.attislocal or a.attinhcount = 0)
  join narrow w on w.typid = a.atttypid
  join tables t on t.oid = k.oid
), columns as materialized (
  select k.oid, k.attnum, k.attname, k.atttypid, k.most from keys k group by 1, 2, 3, 4, 5
), referencing as materialized (
  select
    f.conrelid as oid, u.attnum, a.attname, a.atttypid, w.most,
    f.confrelid as parent, v.attnum as parent_attnum, p.attname as parent_attname, p.atttypid as parent_typid
  from pg_catalog.pg_constraint f
  cross join pg_catalog.unnest(f.conkey) with ordinality u(attnum, n)
  join pg_catalog.unnest(f.confkey) with ordinality v(attnum, n) on v.n = u.n
  join pg_catalog.pg_attribute a on a.attrelid = f.conrelid and a.attnum = u.attnum
  join pg_catalog.pg_attribute p on p.attrelid = f.confrelid and p.attnum = v.attnum
  join narrow w on w.typid = a.atttypid
  join tables t on t.oid = f.conrelid
  where f.contype = 'f' and f.conparentid = 0
), narrower as (
  select r.*
  from referencing r
  where r.parent_typid = 'pg_catalog.int8'::regtype
    or (r.parent_typid = 'pg_catalog.int4'::regtype and r.atttypid = 'pg_catalog.int2'::regtype)
), wanted as (
  select q.seqrelid, pg_catalog.format('%%I.%%I', sn.nspname, s.relname) as name, q.seqmax::numeric - q.seqmin as range,
    max(t.reltuples) as rows
  from fed f
  join pg_catalog.pg_sequence q on q.seqrelid = f.sequence
  join pg_catalog.pg_class s on s.oid = q.seqrelid
  join pg_catalog.pg_namespace sn on sn.oid = s.relnamespace
  join tables t on t.oid = f.oid
  where (f.oid, f.attnum) in (
      select c.oid, c.attnum from columns c union all select r.parent, r.parent_attnum from narrower r
    )
    and (s.relpersistence = 'p' or not pg_catalog.pg_is_in_recovery())
    and pg_catalog.has_sequence_privilege(q.seqrelid, 'select,usage')
  group by 1, 2, 3
  order by range, rows desc
  limit pg_catalog.current_setting('max_locks_per_transaction')::int8
    * pg_catalog.current_setting('max_connections')::int8 / 4
), read as materialized (
  select w.seqrelid, w.name, coalesce(
    pg_catalog.pg_sequence_last_value(w.seqrelid),
    case when pg_catalog.has_sequence_privilege(w.seqrelid, 'select') then (
      select v.word::int8
      from pg_catalog.ts_stat(
        'select pg_catalog.array_to_tsvector(array[last_value::text]) from ' || w.name
      ) v
    ) end
  ) as at
  from wanted w
), counted as materialized (
  select f.oid, f.attnum, max(r.at) as greatest, min(r.at) as least, max(r.name) as sequence
  from fed f
  join read r on r.seqrelid = f.sequence
  where r.at is not null
  group by 1, 2
), members as materialized (
  -- statistics belong to the partitions: those of the table as a whole exist only where somebody analysed it
  select t.oid as root, t.oid as member, t.nspname, t.relname from tables t where t.relkind = 'r'
  union all
  select pg_catalog.pg_partition_root(c.oid), c.oid, n.nspname, c.relname
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind = 'r' and c.relispartition
), unread as materialized (
  select k.oid, k.attnum, k.attname from columns k
  union
  select n.parent, n.parent_attnum, n.parent_attname from narrower n
  except
  select k.oid, k.attnum, a.attname from counted k
  join pg_catalog.pg_attribute a on a.attrelid = k.oid and a.attnum = k.attnum
), statistics as materialized (
  select s.schemaname, s.tablename, s.attname, s.histogram_bounds, s.most_common_vals, s.correlation
  from pg_catalog.pg_stats s
  where not s.inherited and s.schemaname <> 'pg_catalog' and s.attname in (select u.attname from unread u)
), sampled as materialized (
  select
    c.oid, c.attnum, max(v.greatest) as greatest, min(v.least) as least,
    max(pg_catalog.abs(s.correlation)) as correlation
  from unread c
  join members m on m.root = c.oid
  join statistics s on s.schemaname = m.nspname and s.tablename = m.relname and s.attname = c.attname
  cross join lateral (
    -- the outermost bounds are cut off the text: parsing all of them would take most of the time
    select pg_catalog.substring(pg_catalog.left(b.told, 22), '^\{(-?\d+)')::int8 as least,
      pg_catalog.substring(pg_catalog.right(b.told, 22), '(-?\d+)\}$')::int8 as greatest
    from (select s.histogram_bounds::text as told offset 0) b
    union all
    select min(c.at), max(c.at) from pg_catalog.unnest(s.most_common_vals::text::int8[]) c(at)
  ) v
  where v.greatest is not null
  group by 1, 2
), known as materialized (
  select oid, attnum, greatest::numeric, least::numeric, sequence, null::float8 as correlation from counted
  union all
  select oid, attnum, greatest::numeric, least::numeric, null, correlation from sampled
), exhausted as (
  select
    c.oid, c.attnum, c.attname, c.atttypid, c.most,
    case when k.greatest >= -k.least then k.greatest else k.least end as at,
    greatest(k.greatest / c.most, -k.least / (c.most + 1)) as share,
    k.sequence,
    k.correlation,
    null::oid as parent,
    null::name as parent_attname,
    null::oid as parent_typid
  from columns c
  join known k on k.oid = c.oid and k.attnum = c.attnum
  where greatest(k.greatest / c.most, -k.least / (c.most + 1)) > 0.5
  union all
  select
    n.oid, n.attnum, n.attname, n.atttypid, n.most,
    case when k.greatest >= -k.least then k.greatest else k.least end,
    coalesce(greatest(k.greatest / n.most, -k.least / (n.most + 1)), 0),
    k.sequence, k.correlation, n.parent, n.parent_attname, n.parent_typid
  from narrower n
  left join known k on k.oid = n.parent and k.attnum = n.parent_attnum
), one as materialized (
  select distinct on (e.oid, e.attnum) e.*
  from exhausted e
  order by e.oid, e.attnum, e.share desc, e.parent is not null
), followers as (
  -- what has to be widened along
  select
    o.oid, o.attnum,
    pg_catalog.string_agg(
      distinct pg_catalog.format('%%I.%%I.%%I', t.nspname, t.relname, r.attname), ', '
    ) as names,
    pg_catalog.string_agg(
      distinct pg_catalog.format('alter table %%I.%%I alter column %%I type bigint;', t.nspname, t.relname, r.attname),
      E'\n'
    ) as statements,
    max(t.reltuples) as rows
  from one o
  join referencing r on r.parent = o.oid and r.parent_attnum = o.attnum
  join tables t on t.oid = r.oid
  where o.parent is null
  group by 1, 2
), told as (
  select
    o.*,
    t.nspname, t.relname,
    pg_catalog.format('%%I.%%I', t.nspname, t.relname) as relation,
    f.names as followers,
    f.statements,
    t.relkind = 'r' and t.reltuples < 1000000 and coalesce(f.rows, 0) < 1000000 as small,
    (
      select pg_catalog.string_agg(distinct u.what, ', ')
      from pg_catalog.pg_depend d
      join (
        values ('pg_catalog.pg_rewrite'::regclass::oid, 'views'), ('pg_catalog.pg_policy'::regclass, 'policies'),
          ('pg_catalog.pg_trigger'::regclass, 'triggers')
      ) u(classid, what) using (classid)
      where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = o.oid and d.refobjsubid = o.attnum
    ) as hindered,
    (
      select pg_catalog.string_agg(distinct pg_catalog.replace(k.kind, 'counted', 'counted key'), ' and ')
      from keys k where k.oid = o.oid and k.attnum = o.attnum and k.kind <> 'counted'
    ) as kind,
    (
      select pg_catalog.format('%%I.%%I', pn.nspname, p.relname) from pg_catalog.pg_class p
      join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace where p.oid = o.parent
    ) as parent_name,
    pg_catalog.to_char(greatest(t.reltuples, 0), 'FM999,999,999,999,990') as rows
  from one o
  join tables t on t.oid = o.oid
  left join followers f on f.oid = o.oid and f.attnum = o.attnum
)
select
  pg_catalog.format('%%s.%%I', t.relation, t.attname) as object,
  t.relation,
  case when t.share > 0.8 then 'important' else 'routine' end as level,
  pg_catalog.concat(
    case
      when t.parent is not null
        then pg_catalog.format('the key %%s.%%I, which it references, stands', t.parent_name, t.parent_attname)
      else coalesce(t.kind || ', ', '') || 'its values stand'
    end,
    pg_catalog.format(
      ' at %%s: %%s %%%% of %%s are used (%%s)',
      pg_catalog.to_char(t.at, 'FM9,999,999,999,999,999,990'),
      pg_catalog.to_char(t.share * 100, 'FM9,999,990.0'), pg_catalog.format_type(t.atttypid, null),
      coalesce('told by the sequence ' || t.sequence, 'told by the statistics, the newest rows may be further')
    ),
    '; referenced by ' || t.followers
  ) as detail,
  case when t.small and t.hindered is null then pg_catalog.concat_ws(
    E'\n',
    pg_catalog.format('alter table %%s alter column %%I type bigint;', t.relation, t.attname),
    t.statements,
    (
      select pg_catalog.string_agg(pg_catalog.format('alter sequence %%s as bigint;', r.name), E'\n' order by r.name)
      from fed f
      join read r on r.seqrelid = f.sequence
      join pg_catalog.pg_sequence q on q.seqrelid = f.sequence and q.seqtypid <> 'pg_catalog.int8'::regtype
      where f.oid = t.oid and f.attnum = t.attnum and t.parent is null
    )
  ) else '' end as remedy,
  case
    when t.hindered is not null then pg_catalog.format(
      'Make it bigint%%s; %%s use it and have to be dropped first and made again in the same transaction.',
      coalesce(' together with ' || t.followers, ''), t.hindered
    )
    when not t.small then pg_catalog.format(
      'ALTER COLUMN … TYPE would rewrite %%s rows and their indexes while nobody can read them. Instead: add a bigint '
      'column that a trigger keeps equal, fill it in batches, build its unique index concurrently, then exchange the '
      'two columns in one short transaction%%s.',
      t.rows, coalesce('; the same for ' || t.followers, '')
    )
    else ''
  end as advice,
  case
    when t.correlation < 0.5 then 'Its values do not lie in the order of the rows: it may be no counter at all.'
    else ''
  end as doubt,
  t.share::float8 as weight
from told t
where t.share > 0.5
order by 8 desc, 1
