/*---
title = "One query a row (N+1)"
group = "workload"
says = """
A list is read with one statement, and then one more statement runs for each of its rows: a look-up by a single key
that belongs to the listed table or points to it. Told from pg_stat_statements: the look-up compares one unique or
foreign-key column with a value, returns at most 10 rows a call, and ran at least 500 times; its parent is a SELECT of
the same role over a table tied to that key (a foreign key either way or to the same third table, the same table, or a
column that is called as the key is, or after it: user_id for users.id), ran at most a tenth as often, and returned so many rows that there are 0.2 to 1.2 look-ups for each. It is
important at 100 look-ups an hour that take at least 5 % of all statements' time: most of it is the way to the server
and back, which isn't even counted here."""
mend = """
Fetch the rows for the whole list at once, by an array of keys or a join with the parent. ORMs call it eager loading:
preload, include, prefetch, a data loader."""
doubt = """
Single look-ups are ordinary work (a page for each user, a message for each request), and the numbers of calls and rows
may agree by chance: pg_stat_statements doesn't say which statement followed which."""
needs = ["statements"]
---*/
-- Without a parent whose rows explain the calls nothing is said.
with statements as materialized (
  select s.*
  from pg_catalog.jsonb_to_recordset(%(statements)s::jsonb) as s(
    id text, text text, kind text, calls int8, rows int8, ms float8, mean_ms float8, share float8, roles text[],
    relations oid[], aggregate bool, limited bool, seconds float8, parsed bool
  )
  cross join pg_catalog.generate_series(1, (select 1)) as many  -- without it the planner takes JSON for 100 rows
  where s.parsed and s.kind = 'select' and s.calls > 0
), keys as materialized (
  select i.indrelid as relation, i.indkey[0] as attnum
  from pg_catalog.pg_index i
  where i.indisunique and i.indisvalid and i.indpred is null and i.indnkeyatts = 1
  group by 1, 2
), single as materialized (
  select p.id,
    (pg_catalog.array_agg(p.relation) filter (where p.op in ('eq', 'in') and p.bound))[1] as relation,
    (pg_catalog.array_agg(p."column") filter (where p.op in ('eq', 'in') and p.bound))[1] as attnum,
    count(*) filter (where p.op in ('eq', 'in') and p.bound) = 1
      and count(*) filter (where p.op in ('eq', 'in') and p.bound and p.expression <> '') = 0
      and count(*) filter (where p.op in ('range', 'like', 'prefix', 'other')) = 0 as is_single
  from pg_catalog.jsonb_to_recordset(%(predicates)s::jsonb) as p(
    id text, relation oid, "column" int2, op text, expression text, bound bool
  )
  cross join pg_catalog.generate_series(1, (select 1)) as many  -- without it the planner takes JSON for 100 rows
  group by p.id
), children as materialized (
  select s.*, k.relation, k.attnum, a.attname, a.atttypid, t.relname, n.nspname,
    pg_catalog.format_type(a.atttypid, null) as type,
    u.relation is not null as is_unique
  from statements s
  join single k using (id)
  join pg_catalog.pg_class t on t.oid = k.relation
  join pg_catalog.pg_namespace n on n.oid = t.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = k.relation and a.attnum = k.attnum
  left join keys u on u.relation = k.relation and u.attnum = k.attnum
  where k.is_single and s.calls >= 500 and s.rows <= 10 * s.calls
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = t.oid and e.deptype = 'e'
    )
), parents as materialized (
  -- ten times the calls, of which there are at most 1.2 a row: at least eight rows a call
  select distinct s.id, s.calls, s.rows, s.mean_ms, s.text, s.roles, r.oid as relation
  from statements s
  cross join lateral pg_catalog.unnest(s.relations) r(oid)
  where not s.aggregate and s.rows >= 8 * s.calls and s.rows >= 400
), columns as materialized (
  -- of the listed tables, but for names that every table has
  select a.attrelid as relation, a.attnum, a.attname, a.atttypid, k.relation is not null as is_unique
  from (select distinct relation from parents) p
  join pg_catalog.pg_attribute a on a.attrelid = p.relation
  left join keys k on k.relation = a.attrelid and k.attnum = a.attnum
  where a.attnum > 0 and a.attname not in ('id', 'uuid', 'guid', 'key', 'code', 'name', 'slug', 'type', 'status')
), foreign_keys as materialized (
  select c.conrelid, c.conkey[1] as attnum, c.confrelid, c.confkey[1] as key
  from pg_catalog.pg_constraint c
  where c.contype = 'f' and pg_catalog.cardinality(c.conkey) = 1
), called as materialized (
  -- how other tables call a key where no foreign key says so: users.id is user_id, userId, users_id elsewhere
  select t.oid as relation, k.attnum, a.atttypid,
    pg_catalog.lower(pg_catalog.regexp_replace(t.relname, '(?:(?<=[sxzh])es|(?<![su])s)$', '')
      || pg_catalog.replace(a.attname, '_', '')) as one,
    pg_catalog.lower(pg_catalog.regexp_replace(t.relname, 'ies$', 'y') || pg_catalog.replace(a.attname, '_', '')) as other
  from (select relation from parents union select relation from children) r
  join pg_catalog.pg_class t on t.oid = r.relation
  join keys k on k.relation = t.oid
  join pg_catalog.pg_attribute a on a.attrelid = t.oid and a.attnum = k.attnum
), tied as materialized (
  -- the child's key points to the listed table
  select c.id, f.confrelid as relation, 1 as nearness, f.key as attnum
  from children c
  join foreign_keys f on f.conrelid = c.relation and f.attnum = c.attnum
  union all
  -- the listed table points to the child's key
  select c.id, f.conrelid, 1, f.attnum
  from children c
  join foreign_keys f on f.confrelid = c.relation and f.key = c.attnum
  union all
  -- the list and the look-up read the same table
  select c.id, c.relation, 2, c.attnum
  from children c
  where c.is_unique
  union all
  -- both point to the same key of a third table
  select c.id, g.conrelid, 2, g.attnum
  from children c
  join foreign_keys f on f.conrelid = c.relation and f.attnum = c.attnum
  join foreign_keys g on g.confrelid = f.confrelid and g.key = f.key and g.conrelid <> c.relation
  union all
  -- the listed table has a column that is called after the child's key, or the child's after the listed table's key
  select c.id, a.relation, 3, a.attnum
  from children c
  join called k on k.relation = c.relation and k.attnum = c.attnum
  join columns a on a.atttypid = c.atttypid and a.relation <> c.relation
    and pg_catalog.lower(pg_catalog.replace(a.attname, '_', '')) in (k.one, k.other)
  union all
  select c.id, k.relation, 3, k.attnum
  from children c
  join called k on k.atttypid = c.atttypid and k.relation <> c.relation
    and pg_catalog.lower(pg_catalog.replace(c.attname, '_', '')) in (k.one, k.other)
  union all
  -- a key, and a column of the same name and type that may hold it
  select c.id, a.relation, 3, a.attnum
  from children c
  join columns a on a.attname = c.attname and a.atttypid = c.atttypid and a.relation <> c.relation
  where c.is_unique <> a.is_unique
    -- two tables' own keys may happen to be called alike, unless the name says whose they are (user_id, customerRef)
    or (c.is_unique and c.attname ~ '[[:alnum:]](_|[[:lower:]][[:upper:]])[[:alnum:]]')
), pairs as materialized (
  select distinct on (c.id) c.*, p.id as parent, p.calls as parent_calls, p.rows as parent_rows, p.text as parent_text,
    c.calls / p.rows::float8 as ratio, t.attnum as parent_attnum, p.relation as parent_relation
  from children c
  join tied t using (id)
  join parents p on p.relation = t.relation and p.id <> c.id
  where c.calls >= 10 * p.calls and c.calls >= 0.2 * p.rows and c.calls <= 1.2 * p.rows and c.roles && p.roles
  order by c.id, t.nearness, pg_catalog.abs(pg_catalog.ln(c.calls / p.rows::float8)), p.id
), named as materialized (
  select p.*, pg_catalog.format('%%I.%%I', p.nspname, p.relname) as own,
    pg_catalog.format('%%I.%%I', n.nspname, t.relname) as parent_table, a.attname as parent_column,
    -- the key's comparison in the statement's text; texts are cut at 2,000 characters
    case when pg_catalog.length(p.text) < 2000 then pg_catalog.regexp_match(
      p.text, '(?i)\m' || pg_catalog.regexp_replace(p.attname, '[^[:alnum:]_]', '\\\&', 'g')
      || '"?\s*(=\s*any\s*\(\s*\$\d+[^)]*\)|=\s*\$\d+(?:::[[:alnum:]_."]+)?|in\s*\(\s*\$\d+[^)]*\))'
    ) end as comparison
  from pairs p
  join pg_catalog.pg_class t on t.oid = p.parent_relation
  join pg_catalog.pg_namespace n on n.oid = t.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = p.parent_relation and a.attnum = p.parent_attnum
), written as materialized (
  select n.*,
    case
      when n.comparison is null then pg_catalog.format(
        'select … from %%s where %%I = any($1::%%s[]);', n.own, n.attname, n.type)
      when n.limited or n.aggregate then pg_catalog.format(
        'select k.key, x.* from pg_catalog.unnest(%%s::%%s[]) as k(key) cross join lateral (%%s) as x;',
        k.parameter, n.type, pg_catalog.replace(n.body, n.comparison[1], '= k.key'))
      else pg_catalog.replace(
        n.body, n.comparison[1], pg_catalog.format('= any(%%s::%%s[])', k.parameter, n.type)) || ';'
    end as batch
  from (select *, pg_catalog.rtrim(text, '; ') as body from named) n
  cross join lateral (select pg_catalog.substring(n.comparison[1], '\$\d+') as parameter) k
)
select
  'query ' || w.id as object,
  case when t.relispartition
    then (select pg_catalog.format('%%I.%%I', rn.nspname, r.relname)
          from pg_catalog.pg_class r
          join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace
          where r.oid = pg_catalog.pg_partition_root(t.oid))
    else w.own
  end as relation,
  case when w.share >= 0.05 and w.calls * 3600 / greatest(w.seconds, 1) >= 100
    then 'important' else 'routine' end as level,
  pg_catalog.format(
    '%%s calls by %%s.%%I, %%s rows each; query %%s over %%s ran %%s times and returned %%s rows: %%s look-ups a row; '
    '%%s %%%% of the time of all statements; parent: %%s; look-up: %%s',
    pg_catalog.to_char(w.calls, 'FM999,999,999,999,990'), w.own, w.attname,
    pg_catalog.to_char(w.rows / w.calls::float8, 'FM990.0'), w.parent, w.parent_table,
    pg_catalog.to_char(w.parent_calls, 'FM999,999,999,999,990'),
    pg_catalog.to_char(w.parent_rows, 'FM999,999,999,999,990'), pg_catalog.to_char(w.ratio, 'FM990.00'),
    pg_catalog.to_char(w.share * 100, 'FM990.0'), pg_catalog.left(w.parent_text, 160), pg_catalog.left(w.text, 160)
  ) as detail,
  '' as remedy,
  pg_catalog.format(
    'fetch the rows for the whole list at once, with %%I among the columns to tell whose they are: %%s%%s',
    w.attname, w.batch,
    case when w.parent_relation <> w.relation then pg_catalog.format(
      ' Or join it to the list: … from %%s as p join %%s as c on c.%%I = p.%%I …',
      w.parent_table, w.own, w.attname, w.parent_column) else '' end
  ) as advice,
  '' as doubt,
  w.ms as weight
from written w
join pg_catalog.pg_class t on t.oid = w.relation
order by 8 desc, 1
