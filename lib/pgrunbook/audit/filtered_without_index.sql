/*---
title = "Column filtered without an index"
group = "indexes"
says = """
A statement of the workload looks at many rows of a table to find few, since no index begins with the columns that it
compares with a value, or by which a join reaches the table from few rows of another.

For each statement and table the best of the valid indexes is looked for: leading columns compared for equality, then a
range, or the order up to a LIMIT; a partial index only where the statement's own tests imply its condition; an index
that is neither B-tree nor hash is trusted to serve its columns. How many rows it leaves to look at is told by the
columns' statistics, but is never more than the blocks that the statement read can hold. What an index made for it would
leave is told by the rows that it returned or changed, where it is on one table without LIMIT and aggregates; else by
the statistics.

Told is what looks at 100 rows or more and at ten times what it needs. Important: 10,000 rows a call, and called 100
times, or ten times and once an hour, or with 2 % of the total time. Routine: 1,000 rows. Noted: less.

Proposed are the columns compared for equality, the most selective first until ten rows are left, and of these first
what most statements share; then one range, or the column that the rows are ordered by. What is tested for null or true,
and is so in a fifth of the rows or less, becomes the index's condition, as does `is not null` for a column that mostly
is null. A column that a policy compares comes first where the statement itself compares none for equality.
"""
mend = "Build the index; concurrently, so that nobody waits."
doubt = """
An index costs writes and memory: where the statement is rare, or the table is written far more than it is read, it may
not be worth it. Values that are far from the average of their column are not known of.
"""
needs = ["statements"]
---*/
-- Shares of a column's rows as the planner takes them: of an equality one distinct value's, of IN those of ten. The
-- value of a range is not known: one bound is taken to leave a third (a tenth where nothing serves), two a hundredth.
with recursive
-- The planner takes a JSON text for a hundred rows, and would join thousands in nested loops. These rows, of which
-- there are none in truth, tell it of more; for the same reason flags are columns and not conditions.
many as materialized (
  select from pg_catalog.generate_series(1, 20000) where pg_catalog.current_setting('server_version_num')::int4 < 0
),
-- `page`: the rows of an answer up to its LIMIT, a hundred where one row is made of them. `cut`: a scan may end early.
statement as materialized (
  select
    s.id, s.kind, s.calls, s.rows / s.calls as returned, nullif(s.blocks, 0) / s.calls as blocks, s.roles, f.simple,
    pg_catalog.jsonb_array_length(s.relations) = 1 as only,
    case when f.aggregate then 100 else greatest(s.rows / s.calls, 1) end as page,
    s.limited and not s.ordered and not f.aggregate as cut,
    s.limited and not f.aggregate as limited,
    s.calls >= 100 or s.share >= 0.02 or s.calls >= 10 and s.calls * 3600 >= s.seconds as often
  from pg_catalog.jsonb_to_recordset(%(statements)s::jsonb) as s(
    id text, calls float8, rows float8, blocks float8, share float8, seconds float8, limited bool, ordered bool,
    aggregate bool, simple bool, roles jsonb, relations jsonb, kind text
  )
  cross join lateral (select coalesce(s.aggregate, false) as aggregate, coalesce(s.simple, false) as simple) f
  where s.calls > 0
),
test as materialized (
  select
    p.id, p.relation as rel, coalesce(p.occurrence, 1) as occ, p.name,
    case when e.is then '(' || pg_catalog.regexp_replace(pg_catalog.regexp_replace(
        pg_catalog.lower(p.expression), '::[a-z ]+(\([0-9, ]*\))?', '', 'g'), '[()" ]', '', 'g')
      else p.name end as key,
    case when e.is then p.expression else pg_catalog.quote_ident(p.name) end as ddl,
    p.op, p.within, coalesce(p.either, 0) as either, coalesce(p.branch, 0) as branch,
    p.with_relation, p.with_occurrence, p.op = 'join' as joins, coalesce(p.branch, 0) = 0 as whole
  from pg_catalog.jsonb_to_recordset(%(predicates)s::jsonb) as p(
    id text, relation oid, name text, op text, position int4, expression text, bound bool, with_relation oid,
    with_occurrence int4, limited bool, occurrence int4, within text, either int4, branch int4
  )
  join statement s on s.id = p.id
  left join many on true
  cross join lateral (select coalesce(p.expression, '') <> '' as is) e
  where p.op in ('eq', 'in', 'range', 'prefix', 'null', 'notnull', 'true', 'false') and p.bound
    or p.op = 'join'
    or p.op = 'order' and p.position = 1 and coalesce(p.limited, s.limited)
    or p.op = 'other' and p.branch > 0
),
relation as materialized (
  select
    c.oid, c.relname, n.nspname, c.relnamespace, c.relkind, c.relhassubclass, c.relrowsecurity, c.relowner,
    case when c.relispartition then pg_catalog.pg_partition_root(c.oid)::oid else c.oid end as root
  from (select t.rel as oid from test t union select t.with_relation from test t) a
  join pg_catalog.pg_class c on c.oid = a.oid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'm') and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e'
    )
),
part(rel, oid, parent) as (
  select r.oid, r.oid, r.relhassubclass from relation r
  union all
  select p.rel, i.inhrelid, true
  from part p
  join pg_catalog.pg_inherits i on i.inhparent = p.oid
  where p.parent
),
-- Over all partitions and inheriting tables; `leaf` is the largest of them, or the table itself.
volume as materialized (
  select
    p.rel,
    pg_catalog.sum(
      case when c.reltuples > 0 then c.reltuples else pg_catalog.pg_stat_get_live_tuples(c.oid) end::float8
    ) as rows,
    pg_catalog.sum(c.relpages) as pages,
    (pg_catalog.array_agg(c.oid order by c.reltuples desc, c.oid))[1] as leaf
  from part p
  join pg_catalog.pg_class c on c.oid = p.oid and c.relkind <> 'p'  -- its rows are those of its partitions
  group by p.rel
),
-- An OR whose branches are all about one table is served by an index for each: each branch is looked at by itself.
branch as materialized (
  select t.id, t.rel, t.occ, t.either, t.branch
  from test t
  join (
    select o.id, o.either
    from test o
    where not o.whole
    group by o.id, o.either
    having pg_catalog.min(o.occ) = pg_catalog.max(o.occ) and pg_catalog.min(o.branch) < pg_catalog.max(o.branch)
      and pg_catalog.bool_and(o.within in ('eq', 'in', 'range', 'prefix', 'null', 'notnull', 'true', 'false'))
  ) whole on whole.id = t.id and whole.either = t.either
  where not t.whole
  group by t.id, t.rel, t.occ, t.either, t.branch
),
-- What a policy compares is tested as well, though the statement does not say so.
policy as materialized (
  select p.relation as rel, a.attname::text as name, r.relowner, p.command
  from pg_catalog.jsonb_to_recordset(%(policies)s::jsonb) as p(
    relation oid, command text, permissive bool, columns int2[]
  )
  join relation r on r.oid = p.relation and r.relrowsecurity
  join pg_catalog.pg_attribute a on a.attrelid = p.relation and a.attnum = any (p.columns)
  where p.permissive
  group by p.relation, a.attname, r.relowner, p.command
),
held as (
  select t.id, t.rel, t.occ, p.name
  from policy p
  join test t on t.rel = p.rel
  join statement s on s.id = t.id and p.command in ('all', 'select', s.kind)
  join pg_catalog.pg_roles r on s.roles ? r.rolname::text and not (r.rolsuper or r.rolbypassrls) and r.oid <> p.relowner
  group by t.id, t.rel, t.occ, p.name
),
placed as materialized (
  select t.id, t.rel, t.occ, 0 as either, 0 as branch, t.name, t.key, t.ddl, t.op
  from test t
  where t.whole
  union all
  select b.id, b.rel, b.occ, b.either, b.branch, t.name, t.key, t.ddl, case when t.whole then t.op else t.within end
  from branch b
  join test t on t.id = b.id and t.rel = b.rel and t.occ = b.occ
  where t.whole or t.either = b.either and t.branch = b.branch
  union all
  select h.id, h.rel, h.occ, 0, 0, h.name, h.name, pg_catalog.quote_ident(h.name), 'policy'
  from held h
),
stat as materialized (
  select
    t.rel, t.name, v.rows,
    greatest(case when s.n_distinct is null then least(200, v.rows)
      when s.n_distinct < 0 then -s.n_distinct * v.rows else s.n_distinct end, 1)::float8 as values,
    coalesce(s.null_frac, 0)::float8 as nulls,
    case when t.boolean then coalesce(s.most_common_freqs[pg_catalog.array_position(s.vals::text[], 't')],
      case when s.n_distinct is null then 0.5 else 0 end)::float8 end as yes,
    case when t.boolean then coalesce(s.most_common_freqs[pg_catalog.array_position(s.vals::text[], 'f')],
      case when s.n_distinct is null then 0.5 else 0 end)::float8 end as no,
    s.n_distinct is null as unknown
  from (
    select p.rel, p.name, pg_catalog.bool_or(p.op in ('true', 'false')) as boolean
    from placed p
    group by p.rel, p.name
  ) t
  join relation r on r.oid = t.rel
  join volume v on v.rel = t.rel
  left join pg_catalog.pg_class lc on lc.oid = v.leaf and v.leaf <> v.rel
  left join pg_catalog.pg_namespace ln on ln.oid = lc.relnamespace
  left join lateral (
    select f.*
    from (
      select 1 as place, p.inherited, p.n_distinct, p.null_frac, p.most_common_freqs, p.most_common_vals::text as vals
      from pg_catalog.pg_stats p
      where p.schemaname = r.nspname and p.tablename = r.relname and p.attname = t.name
      union all
      select 2, p.inherited, p.n_distinct, p.null_frac, p.most_common_freqs, p.most_common_vals::text
      from pg_catalog.pg_stats p
      where p.schemaname = ln.nspname and p.tablename = lc.relname and p.attname = t.name
    ) f
    order by f.place, f.inherited desc
    limit 1
  ) s on true
),
-- A use is a table at its place in a statement, or in a branch of an OR there; a term is a column of it.
term as materialized (
  select
    pg_catalog.dense_rank() over (order by t.id collate "C", t.rel, t.occ, t.either, t.branch) as use,
    t.id, t.rel, t.occ, t.either, t.branch, t.key, t.name, t.ddl, t.ops,
    t.ops && array['eq', 'in'] as same,
    t.ops && array['eq', 'in', 'null', 'true', 'false', 'policy'] as equal,
    t.ops && array['range', 'prefix'] as bounded,
    t.ops && array['order'] as ordered,
    t.ops && array['join'] as joined,
    t.ops <@ array['policy', 'order', 'join'] as unsaid,
    t.bounds = 1 and not t.ops && array['eq', 'in'] as loose,
    greatest(1e-12, case
      when t.ops && array['eq', 'policy'] then (1 - s.nulls) / s.values
      when t.ops && array['in'] then least(1, 10 / s.values) * (1 - s.nulls)
      when t.ops && array['null'] then case when s.unknown then 0.5 else s.nulls end
      when t.ops && array['true'] then s.yes
      when t.ops && array['false'] then s.no
      when t.ops && array['prefix'] then 0.02
      when t.bounds > 1 then 0.01 * (1 - s.nulls)
      when t.bounds = 1 then 0.3333 * (1 - s.nulls)
      when t.ops && array['notnull'] then 1 - s.nulls
      else 1
    end) as share,
    greatest(1e-12, (1 - s.nulls) / s.values) as join_share,
    s.nulls, s.unknown, s.rows
  from (
    select
      p.id, p.rel, p.occ, p.either, p.branch, p.key, pg_catalog.min(p.name) as name, pg_catalog.min(p.ddl) as ddl,
      pg_catalog.array_agg(p.op) as ops, pg_catalog.count(*) filter (where p.op = 'range') as bounds
    from placed p
    group by p.id, p.rel, p.occ, p.either, p.branch, p.key
  ) t
  join stat s on s.rel = t.rel and s.name = t.name
  left join many on true
),
use as materialized (
  select
    t.use, t.id, t.rel, t.occ, t.either, t.branch, t.either = 0 as whole, t.rows,
    coalesce(pg_catalog.exp(pg_catalog.sum(pg_catalog.ln(t.share)) filter (where not t.unsaid)), 1) as share,
    coalesce(pg_catalog.exp(
      pg_catalog.sum(pg_catalog.ln(case when t.loose then 0.1 else t.share end)) filter (where not t.unsaid)
    ), 1) as hoped,
    pg_catalog.bool_or(not t.unsaid) as filtered,
    pg_catalog.bool_or(t.ordered) as ordered
  from term t
  group by t.use, t.id, t.rel, t.occ, t.either, t.branch, t.rows
),
-- By a join a table is reached from so many rows of another, which may be reached from a third; not `known` where that
-- can't be followed: then ten rows are assumed.
link as materialized (
  select
    t.id, t.rel, t.occ, t.name, t.with_relation, t.with_occurrence as with_occ,
    s.rows * (1 - s.nulls) / s.values as each
  from test t
  join stat s on s.rel = t.rel and s.name = t.name
  where t.joins
),
reached as (
  select
    l.id, l.rel, l.occ, l.name, l.each, pg_catalog.bool_and(q.use is not null) as known,
    pg_catalog.min(least(q.rows * q.share, p.rows * p.share * ql.each, case when q.use is null then 10 end)) as times
  from link l
  left join use q on q.id = l.id and q.rel = l.with_relation and q.occ = l.with_occ and q.whole
  left join link ql on ql.id = l.id and ql.rel = l.with_relation and ql.occ = l.with_occ and ql.with_occ <> l.occ
  left join use p on p.id = ql.id and p.rel = ql.with_relation and p.occ = ql.with_occ and p.whole
  group by l.id, l.rel, l.occ, l.name, l.each
),
driver as materialized (
  select distinct on (r.id, r.rel, r.occ) r.*
  from reached r
  order by r.id, r.rel, r.occ, r.times * r.each, r.name
),
index as materialized (
  select
    v.rel, i.indexrelid as index, ic.relname, am.amname in ('btree', 'hash') as plain, am.amname = 'btree' as tree,
    i.indisunique, i.indrelid, i.indkey, i.indnkeyatts, ic.reltuples as entries,
    pg_catalog.pg_get_expr(i.indpred, i.indrelid) as predicate
  from (select distinct u.rel from use u where u.rows >= 100) q
  join volume v on v.rel = q.rel
  join relation r on r.oid = v.rel
  join pg_catalog.pg_index i on i.indrelid in (v.leaf, case r.relkind when 'p' then v.rel end)
  join pg_catalog.pg_class ic on ic.oid = i.indexrelid
  join pg_catalog.pg_am am on am.oid = ic.relam
  where i.indisvalid and i.indisready and i.indislive
),
position as materialized (
  select
    x.rel, x.index, x.plain, x.tree, k.n,
    coalesce(a.attname::text, '(' || pg_catalog.regexp_replace(pg_catalog.regexp_replace(
      pg_catalog.lower(pg_catalog.pg_get_indexdef(x.index, k.n, false)), '::[a-z ]+(\([0-9, ]*\))?', '', 'g'),
      '[()" ]', '', 'g')) as key
  from index x
  cross join lateral pg_catalog.generate_series(1, x.indnkeyatts::int4) k(n)
  left join pg_catalog.pg_attribute a on a.attrelid = x.indrelid and a.attnum = x.indkey[k.n - 1] and a.attnum > 0
),
-- The tests that a partial index's condition consists of: `(status = 'a'::text)` becomes `status = 'a'`.
condition as materialized (
  select
    x.rel, x.index,
    pg_catalog.substring(c.text, '^(?:NOT )?("(?:[^"]|"")+"|[[:alpha:]_][[:alnum:]_$]*)(?: |$)') as name,
    case
      when c.test = 'IS NULL' then array['null']
      when c.test = 'IS NOT NULL' then array['eq', 'in', 'range', 'prefix', 'notnull', 'true', 'false', 'join']
      when c.test in ('', '= true', 'IS TRUE') then array['true', 'eq', 'in']
      when c.test in ('NOT', '= false', 'IS FALSE') then array['false', 'eq', 'in']
      when c.test ~ '^= (''[^'']*''|-?[0-9.]+|ANY ARRAY\[.*\])$' then array['eq', 'in']
    end as wanted,
    c.test ~ '^= [^tf]' as value
  from index x
  cross join lateral pg_catalog.regexp_split_to_table(x.predicate, ' AND ') p(text)
  cross join lateral (
    select
      b.text,
      pg_catalog.btrim(pg_catalog.regexp_replace(b.text, '("(?:[^"]|"")+"|\y[a-z_][a-z_0-9$]*\y)', '')) as test
    from pg_catalog.translate(pg_catalog.regexp_replace(
      p.text, '::("[^"]+"|[a-z_0-9]+)(\.("[^"]+"|[a-z_0-9]+))?( [a-z]+)*(\([0-9, ]*\))?(\[\])?', '', 'g'
    ), '()', '') b(text)
  ) c
  where x.predicate is not null
),
implied as materialized (
  select
    u.use, c.index,
    pg_catalog.exp(pg_catalog.sum(pg_catalog.ln(t.share))) as share,
    pg_catalog.bool_or(c.value) as assumed
  from use u
  join condition c on c.rel = u.rel
  left join term t on t.use = u.use and t.key = t.name and pg_catalog.quote_ident(t.name) = c.name
  group by u.use, c.index
  having pg_catalog.bool_and(coalesce(t.ops && c.wanted, false))
),
-- Of each index column by column: what is compared, and whether all before it are compared for equality (or joined).
fit as (
  select
    u.use, p.index, t.share, t.join_share, t.ops && array['eq'] as pinned,
    k.equal, t.joined and not k.equal as joined, t.bounded and p.tree and not k.equal as bounded,
    t.ordered and p.tree and not k.equal as ordered,
    coalesce(pg_catalog.bool_and(k.equal) over w, true) as reached,
    coalesce(pg_catalog.bool_and(k.equal or coalesce(t.joined, false)) over w, true) as joinable
  from use u
  join position p on p.rel = u.rel and p.plain
  left join term t on t.use = u.use and t.key = p.key
  cross join lateral (select coalesce(case when p.tree then t.equal else t.same end, false) as equal) k
  window w as (partition by u.use, p.index order by p.n rows between unbounded preceding and 1 preceding)
),
access as (
  select
    f.use, f.index,
    coalesce(pg_catalog.exp(
      pg_catalog.sum(pg_catalog.ln(f.share)) filter (where f.reached and (f.equal or f.bounded))
    ), 1) as share,
    pg_catalog.bool_or(f.reached and (f.equal or f.bounded)) as helps,
    coalesce(pg_catalog.bool_or(f.reached and f.bounded), false) as ranged,
    coalesce(pg_catalog.exp(
      pg_catalog.sum(pg_catalog.ln(case when f.joined then f.join_share else f.share end))
      filter (where f.joinable and (f.equal or f.bounded or f.joined))
    ), 1) as join_share,
    pg_catalog.bool_or(f.joinable and f.joined) as joins,
    pg_catalog.bool_or(f.reached and f.ordered) as in_order,
    pg_catalog.bool_and(coalesce(f.pinned, false)) as pinned
  from fit f
  group by f.use, f.index
),
way as (
  select
    u.use, x.relname, coalesce(i.assumed, false) as assumed, a.ranged,
    least(
      case when x.indisunique and a.pinned then 1 when a.helps or x.predicate is not null then e.entries * a.share end,
      case when a.in_order then e.entries * a.share end,
      case when a.in_order and s.returned >= 0.5 then s.page * a.share / u.share end,
      case when a.joins then d.times * e.entries * a.join_share end
    ) as looked
  from access a
  join use u on u.use = a.use
  join statement s on s.id = u.id
  join index x on x.index = a.index and x.rel = u.rel
  left join implied i on i.use = a.use and i.index = a.index
  left join driver d on d.id = u.id and d.rel = u.rel and d.occ = u.occ
  cross join lateral (
    select case
      when x.predicate is null then u.rows
      when x.entries > 0 then least(x.entries, u.rows)
      else u.rows * i.share
    end as entries
  ) e
  where (x.predicate is null or i.use is not null) and (a.helps or a.in_order or a.joins or x.predicate is not null)
  union all
  select
    u.use, null, false, false,
    case when s.cut and u.filtered and s.returned >= 0.5 then least(u.rows, s.page / u.share) else u.rows end
  from use u
  join statement s on s.id = u.id
  union all
  select u.use, null, false, false, 0
  from use u
  join position p on p.rel = u.rel and not p.plain
  join term t on t.use = u.use and t.key = p.key and not t.unsaid
),
best as materialized (
  select distinct on (w.use) w.*
  from way w
  order by w.use, w.looked, w.relname
),
-- `needs` are the rows that an index made for it would leave; `measured`: the statement's own count, no estimate. What
-- was looked at is no more than the blocks that were read can hold, and all rows where they are the whole table. Of an
-- index that is used by a range, whose value is not known, one row a block is sure. `driven`: joined from few rows.
judged as materialized (
  select
    u.*, s.calls, s.blocks, s.often, s.only and s.returned < 0.5 as empty, r.root, b.relname as by, b.assumed, b.ranged, m.measured, m.scans, m.driven,
    d.name as joined, d.times, u.ordered and alone.is as sorts,
    least(
      b.looked, whole.looked, s.blocks * greatest(u.rows / nullif(v.pages, 0), 1),
      case when m.measured and b.ranged and not m.scans then coalesce(s.blocks, 0) end
    ) as looked,
    greatest(1, least(
      case when m.measured then s.returned when b.relname is null then u.rows * u.hoped else u.rows * u.share end,
      case when u.ordered and alone.is then s.page end,
      case when m.driven then d.times * d.each end
    )) as needs
  from use u
  join best b on b.use = u.use
  join statement s on s.id = u.id
  join relation r on r.oid = u.rel
  join volume v on v.rel = u.rel
  left join driver d on d.id = u.id and d.rel = u.rel and d.occ = u.occ
  cross join lateral (
    select
      s.simple and u.whole and not r.relrowsecurity as measured,
      coalesce(d.known and d.times * d.each < u.rows * u.share, false) as driven,
      coalesce(s.only and s.blocks >= 0.9 * v.pages, false) as scans
  ) m
  left join (
    select o.id, pg_catalog.count(*) = 1 as is
    from use o
    where o.whole and o.filtered
    group by o.id
  ) others on others.id = u.id
  cross join lateral (select others.id is null or others.is and u.filtered as is) alone
  left join use base on base.id = u.id and base.rel = u.rel and base.occ = u.occ and base.whole and not u.whole
  left join best whole on whole.use = base.use
  left join (
    select distinct o.id, o.rel, o.occ
    from use o
    where not o.whole
  ) branches on branches.id = u.id and branches.rel = u.rel and branches.occ = u.occ and u.whole
  where branches.id is null and u.rows >= 100 and (u.filtered or u.ordered or m.driven)
),
wanting as materialized (
  select
    j.use, j.id, j.rel, j.root, j.rows, j.calls, j.blocks, j.often, j.measured, j.driven, j.joined, j.times, j.sorts,
    j.ranged, j.assumed, j.needs, j.empty,
    case when j.scans then j.rows else j.looked end as looked, case when not j.scans then j.by end as by
  from judged j
  left join many on true
  where j.looked >= 100 and j.looked >= 10 * j.needs and (j.filtered or j.sorts or j.driven)
),
-- What each term would be in the index. Where no row is found, the values asked for are not those of the statistics,
-- and all that is compared narrows; by the order alone such a search would go through all. A policy's column counts where the statement says nothing of equality itself.
pick as materialized (
  select
    w.use, w.root, w.rows, t.key, t.ddl, t.name, t.nulls, t.unknown, t.loose, t.ordered and w.sorts as sorts, w.empty,
    case when j.here and not t.equal then t.join_share else t.share end as share,
    case
      when t.same or j.here then 'equal'
      when t.ops && array['null', 'notnull', 'true', 'false'] and not (t.bounded or t.unknown) and t.share <= 0.2
        then 'condition'
      when t.ops && array['range'] then 'range'
      when t.ordered and w.sorts then 'order'
      when t.ops && array['policy'] then 'policy'
    end as role,
    case
      when t.ops && array['null'] then t.ddl || ' is null'
      when t.ops && array['true'] then t.ddl
      when t.ops && array['false'] then 'not ' || t.ddl
      else t.ddl || ' is not null'
    end as condition
  from wanting w
  join term t on t.use = w.use
  cross join lateral (select coalesce(w.driven and t.key = w.joined, false) as here) j
),
start as materialized (
  select
    p.use, pg_catalog.bool_or(p.role = 'equal') as same,
    coalesce(pg_catalog.exp(pg_catalog.sum(pg_catalog.ln(p.share)) filter (where p.role = 'condition')), 1) as share
  from pick p
  group by p.use
),
ranked as (
  select
    p.*, pg_catalog.row_number() over w as n,
    p.rows * s.share * coalesce(pg_catalog.exp(pg_catalog.sum(pg_catalog.ln(p.share)) over (
      w rows between unbounded preceding and 1 preceding)), 1) as before
  from pick p
  join start s on s.use = p.use
  where p.role = 'equal' or p.role = 'policy' and not s.same
  window w as (partition by p.use order by p.share, p.key)
),
equal as materialized (
  select r.*, pg_catalog.count(*) over (partition by r.root, r.key) as shared
  from ranked r
  where (r.share < 0.9 or r.empty) and (r.n = 1 or r.before > 10)
),
remaining as materialized (
  select
    w.use, w.rows * s.share * coalesce(pg_catalog.exp(pg_catalog.sum(pg_catalog.ln(e.share))), 1) as rows,
    pg_catalog.count(e.key) as columns
  from wanting w
  join start s on s.use = w.use
  left join equal e on e.use = w.use
  group by w.use, w.rows, s.share
),
tail as materialized (
  select distinct on (p.use) p.*
  from pick p
  join remaining r on r.use = p.use
  where p.role in ('range', 'order') and (r.rows > 10 or r.columns = 0)
    or p.role = 'condition' and r.columns = 0
  order by p.use, p.role = 'condition', p.sorts desc, p.share, p.key
),
columns as materialized (
  select e.use, e.key, e.ddl, e.name, e.nulls, e.unknown, true as tested, 1 as place, e.shared, e.share from equal e
  union all
  select t.use, t.key, t.ddl, t.name, t.nulls, t.unknown, t.role = 'range', 2, 0, t.share from tail t
),
proposal as materialized (
  select
    w.*, g.guessed,
    c.keys, c.ddls, c.names, c.unknown,
    coalesce(k.conditions, '{}') as conditions
  from wanting w
  join remaining r on r.use = w.use
  join (
    select
      c.use, pg_catalog.array_agg(c.key order by c.place, c.shared desc, c.share, c.key) as keys,
      pg_catalog.array_agg(c.ddl order by c.place, c.shared desc, c.share, c.key) as ddls,
      pg_catalog.array_agg(c.name order by c.place, c.shared desc, c.share, c.key) as names,
      pg_catalog.bool_or(c.unknown) as unknown
    from columns c
    group by c.use
  ) c on c.use = w.use
  left join tail t on t.use = w.use
  cross join lateral (
    select coalesce(t.role = 'range' and not t.sorts, false) and not w.measured and r.rows > w.looked / 10 as guessed
  ) g
  left join (
    select h.use, pg_catalog.array_agg(distinct h.condition) as conditions
    from (
      select p.use, p.condition from pick p where p.role = 'condition'
      union all
      select c.use, c.ddl || ' is not null'
      from columns c
      where c.tested and c.nulls >= 0.5 and c.ddl = pg_catalog.quote_ident(c.name)
    ) h
    group by h.use
  ) k on k.use = w.use
  cross join lateral (
    select case
      when t.sorts then w.needs
      else r.rows * case when t.loose then 0.1 when t.role = 'range' then t.share else 1 end
        * case when w.driven then w.times else 1 end
    end as leaves
  ) l
  where (w.measured or w.looked >= 10 * l.leaves) and not (w.ranged and g.guessed)
    and not exists (
      select
      from (
        select x.rel, pg_catalog.array_agg(o.key order by o.n) as keys
        from index x
        join position o on o.rel = x.rel and o.index = x.index
        where x.predicate is null
        group by x.rel, x.index
      ) there
      where there.rel = w.rel and there.keys[1:pg_catalog.cardinality(c.keys)] = c.keys
    )
),
listed as materialized (
  select
    p.root, p.keys, pg_catalog.min(p.ddls) as ddls, pg_catalog.min(p.names) as names,
    pg_catalog.sum((p.looked - p.needs) * p.calls) as weight
  from proposal p
  group by p.root, p.keys
),
-- The longest list that begins with a proposal's own takes it in.
merged as materialized (
  select distinct on (p.use) p.*, l.keys as final, l.ddls as final_ddls, l.names as final_names
  from proposal p
  join listed l on l.root = p.root and l.keys[1:pg_catalog.cardinality(p.keys)] = p.keys
  order by p.use, pg_catalog.cardinality(l.keys) desc, l.weight desc, l.keys
),
told as materialized (
  select
    m.root, m.final, m.final_ddls as ddls, m.final_names as names,
    pg_catalog.max(m.rows) as rows,
    pg_catalog.max(m.looked) as looked,
    pg_catalog.sum(m.gain) as weight,
    pg_catalog.sum(m.calls) filter (where m.first and m.looked >= 10000) as heavy_calls,
    pg_catalog.bool_or(m.looked >= 10000 and m.often and not m.guessed) as important,
    pg_catalog.bool_and(m.guessed) as guessed,
    pg_catalog.bool_or(m.unknown) as unknown,
    pg_catalog.bool_or(m.assumed) as assumed,
    pg_catalog.count(*) as uses,
    pg_catalog.count(*) filter (where m.first) as statements,
    pg_catalog.string_agg(pg_catalog.format(
      'query %%s (%%s calls%%s, %%s rows looked at%%s where %%s would do)', m.id,
      pg_catalog.to_char(m.calls, 'FM999,999,999,999,990'),
      ' of ' || pg_catalog.to_char(m.blocks, 'FM999,999,999,990') || ' blocks',
      pg_catalog.to_char(m.looked, 'FM999,999,999,999,990'),
      coalesce(' by ' || pg_catalog.quote_ident(m.by), ''),
      pg_catalog.to_char(m.needs, 'FM999,999,999,999,990')
    ), ', ' order by m.heaviest desc, m.id) filter (where m.first and m.place <= 3) as evidence
  from (
    select h.*, pg_catalog.dense_rank() over (partition by h.root, h.final order by h.heaviest desc, h.id) as place
    from (
      select
        g.*, (g.looked - g.needs) * g.calls as gain,
        pg_catalog.max((g.looked - g.needs) * g.calls) over w as heaviest,
        pg_catalog.row_number() over (w order by g.looked - g.needs desc, g.use) = 1 as first
      from merged g
      window w as (partition by g.root, g.final, g.id)
    ) h
  ) m
  group by m.root, m.final, m.final_ddls, m.final_names
),
common as materialized (
  select h.root, h.final, ' where ' || pg_catalog.string_agg(h.condition, ' and ' order by h.condition) as condition
  from (
    select m.root, m.final, c.condition, pg_catalog.count(*) as uses
    from merged m
    cross join lateral pg_catalog.unnest(m.conditions) c(condition)
    group by m.root, m.final, c.condition
  ) h
  join told t on t.root = h.root and t.final = h.final and t.uses = h.uses
  group by h.root, h.final
),
described as (
  select
    t.*, c.relkind, c.relkind = 'r' and c.relhassubclass as inherited, c.relnamespace,
    pg_catalog.format('%%I.%%I', n.nspname, c.relname) as q,
    pg_catalog.array_to_string(t.ddls, ', ') as list,
    l.keys, coalesce(k.condition, '') as condition,
    pg_catalog.concat_ws('_', 'idx', c.relname, l.name) as wish
  from told t
  join pg_catalog.pg_class c on c.oid = t.root
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  left join common k on k.root = t.root and k.final = t.final
  cross join lateral (
    select
      pg_catalog.string_agg(
        case when e.plain or d.ddl ~ '^[a-z_][a-z0-9_.]*\(.*\)$' then d.ddl else '(' || d.ddl || ')' end,
        ', ' order by d.n
      ) as keys,
      pg_catalog.string_agg(
        case when e.plain then d.name else pg_catalog.btrim(pg_catalog.regexp_replace(d.ddl, '\W+', '_', 'g'), '_') end,
        '_' order by d.n
      ) as name
    from rows from (pg_catalog.unnest(t.ddls), pg_catalog.unnest(t.names)) with ordinality d(ddl, name, n)
    cross join lateral (select d.ddl = pg_catalog.quote_ident(d.name) as plain) e
  ) l
),
named as (
  select
    d.*,
    case
      when pg_catalog.octet_length(d.wish) > 63
        or pg_catalog.count(*) over (partition by d.relnamespace, d.wish) > 1
        or exists (select from pg_catalog.pg_class c where c.relname = d.wish::name and c.relnamespace = d.relnamespace)
      -- what is left of 63 bytes, whatever the encoding makes of a letter
      then pg_catalog.left(d.wish, greatest(54 - pg_catalog.octet_length(d.wish) + pg_catalog.length(d.wish), 12))
        || '_' || pg_catalog.left(pg_catalog.md5(d.q || d.keys), 8)
      else d.wish
    end as name
  from described d
)
select
  pg_catalog.format('%%s (%%s)', d.q, d.list) as object,
  d.q as relation,
  case
    when d.important or d.heavy_calls >= 100 and not d.guessed then 'important'
    when d.looked >= 1000 then 'routine'
    else 'noted'
  end as level,
  pg_catalog.format(
    '%%s rows; no index serves %%s%%s', pg_catalog.to_char(d.rows, 'FM999,999,999,999,990'), d.evidence,
    case when d.statements > 3 then pg_catalog.format(' and %%s statements more', d.statements - 3) else '' end
  ) as detail,
  pg_catalog.format(
    'create index %%s%%I on %%s (%%s)%%s;%%s',
    case d.relkind when 'p' then '' else 'concurrently ' end, d.name, d.q, d.keys, d.condition, h.statements
  ) as remedy,
  case
    when d.relkind = 'p' then 'It blocks the writes to each partition while it is built there; pgrunbook''s migration '
      'builds partition by partition, concurrently, and attaches them.'
    when d.inherited then 'Tables inherit from it: each of them has its own index.'
    else ''
  end as advice,
  pg_catalog.concat_ws(' ',
    case when d.unknown then 'There are no statistics of these columns (never analysed, or not to be read by this '
      'role): how many rows they leave is a guess.' end,
    case when d.guessed then 'How many rows the range leaves is not known, only a part of them is assumed.' end,
    case when d.assumed then 'A partial index is taken to serve a statement where both compare the same column with a '
      'constant, which the statistics do not tell.' end
  ) as doubt,
  d.weight::float8 as weight
from named d
cross join lateral (  -- of the tables that inherit, those that have no such index
  select coalesce(pg_catalog.string_agg(pg_catalog.format(
    E'\ncreate index concurrently on %%I.%%I (%%s)%%s;', n.nspname, c.relname, d.keys, d.condition
  ), '' order by n.nspname, c.relname), '') as statements
  from part p
  join pg_catalog.pg_class c on c.oid = p.oid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where d.inherited and p.rel = d.root and p.oid <> d.root
    and not exists (
      select
      from pg_catalog.pg_index i
      where i.indrelid = c.oid and i.indisvalid and i.indpred is null and pg_catalog.regexp_replace(
          pg_catalog.pg_get_indexdef(i.indexrelid), '^.* USING btree ', '') in (
            '(' || d.keys || ')', '(' || d.keys || ' DESC)')
    )
) h
order by 8 desc, 1
