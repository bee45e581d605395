/*---
title = "Foreign key without an index"
group = "indexes"
says = """
No index begins with the columns of the foreign key. Each DELETE of a parent row, and each UPDATE of its key, then
reads the whole referencing table to see whether a row still points there, with the parent's row locked meanwhile; a
join or a filter by the key reads it all as well.

An index counts if it is a valid B-tree whose first columns are all those of the key, in any order, or a hash index for
a key of one column. It has to hold every row: of the partial ones only that counts whose condition is that columns of
the key are not null. Included columns, expressions, another collation, BRIN, GIN and GiST do not count. For a
partitioned table either its own index counts, or one on each of its partitions.

Important: from 10,000 rows, where rows of the parent were deleted or its key was updated, or where statements that were
called 100 times or more compare these columns and read half of the table each time. Routine: from 1,000 rows.
"""
mend = "Build an index on the columns of the key; concurrently, so that nobody waits."
doubt = """
If nobody deletes from the parent, updates its key, or asks by this column, the index only costs writes. So it is with
parents that are fixed lists, and with tables that are only ever written.
"""
---*/
-- The rows that a foreign key has for each partition (conparentid) are told apart from the one that was declared; a
-- partitioned table is covered piecewise where those of all its leaves are.
with recursive
rel as materialized (
  select c.oid, c.relkind, c.relname, c.relnamespace, pg_catalog.format('%%I.%%I', n.nspname, c.relname) as q
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p')
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e'
    )
),
fk as materialized (
  select con.*, pg_catalog.cardinality(con.conkey) as n
  from pg_catalog.pg_constraint con
  where con.contype = 'f'
),
covered as materialized (
  select fk.oid
  from fk
  join pg_catalog.pg_index i on i.indrelid = fk.conrelid
  join pg_catalog.pg_class ic on ic.oid = i.indexrelid
  join pg_catalog.pg_am am on am.oid = ic.relam
  where i.indisvalid and i.indislive
    and (am.amname = 'btree' or am.amname = 'hash' and fk.n = 1)
    and i.indnkeyatts >= fk.n
    and (i.indkey::int2[])[0:fk.n - 1] @> fk.conkey and (i.indkey::int2[])[0:fk.n - 1] <@ fk.conkey
    and (i.indcollation::oid[] <@ array[0, 100]::oid[] or not exists (  -- none, or the database's: as nearly always
      select
      from pg_catalog.generate_series(0, fk.n - 1) k
      join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[k]
      where a.attcollation <> i.indcollation[k]
    ))
    and (i.indpred is null or (
      -- (a IS NOT NULL), or ((a IS NOT NULL) AND (b IS NOT NULL)): those tests and nothing beside them
      select pg_catalog.length(p.text) = pg_catalog.sum(pg_catalog.length(t.text))
        + case pg_catalog.count(*) when 1 then 0 else 2 + 5 * (pg_catalog.count(*) - 1) end
      from pg_catalog.pg_get_expr(i.indpred, i.indrelid) p(text)
      join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (fk.conkey)
      cross join lateral pg_catalog.format('(%%I IS NOT NULL)', a.attname) t(text)
      where pg_catalog.strpos(p.text, t.text) > 0
      group by p.text
    ))
),
uncovered as materialized (
  select fk.oid
  from fk
  join rel on rel.oid = fk.conrelid
  where fk.conparentid = 0 and fk.oid not in (select oid from covered)
),
pieces as (
  select u.oid as top, u.oid as piece
  from uncovered u
  join pg_catalog.pg_constraint con on con.oid = u.oid
  join pg_catalog.pg_class c on c.oid = con.conrelid and c.relkind = 'p'
  union all
  select p.top, c.oid
  from pieces p
  join fk c on c.conparentid = p.piece
),
piecewise as (
  select p.top
  from pieces p
  join pg_catalog.pg_constraint c on c.oid = p.piece
  join pg_catalog.pg_class leaf on leaf.oid = c.conrelid and leaf.relkind = 'r'
  group by p.top
  having pg_catalog.bool_and(c.oid in (select oid from covered))
),
partitions as (
  select i.inhparent as root, i.inhrelid as oid
  from pg_catalog.pg_inherits i
  join pg_catalog.pg_class p on p.oid = i.inhparent and p.relkind = 'p'
  union all
  select p.root, i.inhrelid
  from partitions p
  join pg_catalog.pg_inherits i on i.inhparent = p.oid
),
statement as materialized (
  select s.id, s.calls, s.blocks, s.writes, s.sets
  from pg_catalog.jsonb_to_recordset(%(statements)s::jsonb)
    as s(id text, calls float8, blocks float8, writes oid, sets int2[])
),
compared as materialized (
  select s.calls, s.blocks, p.relation, pg_catalog.array_agg(p."column") as columns
  from pg_catalog.jsonb_to_recordset(%(predicates)s::jsonb)
    as p(id text, relation oid, "column" int2, op text, expression text)
  join statement s on s.id = p.id
  where p.op in ('eq', 'in', 'join') and coalesce(p.expression, '') = ''
  group by s.id, s.calls, s.blocks, p.relation
),
-- Stacked and grouped, and all else looked up by oid: joins among tables made here are planned for a few rows only.
weighed as materialized (
  select
    w.oid,
    pg_catalog.sum(w.rekeyed) as rekeyed,
    pg_catalog.array_agg(w.calls) as calls,
    pg_catalog.array_agg(w.blocks) as blocks
  from (
    select u.oid, 0 as rekeyed, 0 as calls, 0 as blocks, true as uncovered
    from uncovered u
    union all
    select fk.oid, s.calls, 0, 0, false
    from fk
    join statement s on s.writes = fk.confrelid and s.sets && fk.confkey
    union all
    select fk.oid, 0, c.calls, c.blocks, false
    from fk
    join compared c on c.relation = fk.conrelid and c.columns @> fk.conkey
  ) w
  where w.oid not in (select top from piecewise)
  group by w.oid
  having pg_catalog.bool_or(w.uncovered)
),
judged as (
  select
    u.conrelid,
    u.conkey,
    u.oid,
    t.relkind,
    t.relname,
    t.relnamespace,
    pg_catalog.format('%%I.%%I', tn.nspname, t.relname) as q,
    names.list,
    names.plain,
    pg_catalog.format('%%I.%%I', pn.nspname, p.relname) as parent,
    child.rows,
    parent.deleted,
    w.rekeyed,
    asked.calls as asked,
    near.list as near,
    since.at as since,
    pg_catalog.date_part('epoch', pg_catalog.now() - since.at) / 86400 as days
  from weighed w
  join pg_catalog.pg_constraint u on u.oid = w.oid
  join pg_catalog.pg_class t on t.oid = u.conrelid
  join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
  join pg_catalog.pg_class p on p.oid = u.confrelid
  join pg_catalog.pg_namespace pn on pn.oid = p.relnamespace
  cross join lateral (
    select
      pg_catalog.sum(greatest(c.reltuples, pg_catalog.pg_stat_get_live_tuples(c.oid), 0)) as rows,
      pg_catalog.sum(c.relpages) as pages
    from pg_catalog.pg_class c
    where c.oid = any (case t.relkind when 'p'
      then array(select x.oid from partitions x where x.root = t.oid) else array[t.oid] end) and c.relkind <> 'p'
  ) child
  cross join lateral (
    select pg_catalog.sum(pg_catalog.pg_stat_get_tuples_deleted(c.oid)) as deleted
    from pg_catalog.pg_class c
    where c.oid = any (case p.relkind when 'p'
      then array(select x.oid from partitions x where x.root = p.oid) else array[p.oid] end) and c.relkind <> 'p'
  ) parent
  cross join lateral (
    select
      pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by k.n) as list,
      pg_catalog.string_agg(a.attname, '_' order by k.n) as plain
    from pg_catalog.unnest(u.conkey) with ordinality k(attnum, n)
    join pg_catalog.pg_attribute a on a.attrelid = u.conrelid and a.attnum = k.attnum
  ) names
  cross join lateral (
    select coalesce(pg_catalog.sum(c.calls), 0) as calls
    from rows from (pg_catalog.unnest(w.calls), pg_catalog.unnest(w.blocks)) c(calls, blocks)
    where c.blocks >= c.calls * child.pages / 2
  ) asked
  cross join lateral (
    select pg_catalog.string_agg(pg_catalog.format('; %%s %%s', pg_catalog.quote_ident(ic.relname), case
      when not (i.indisvalid and i.indislive) then 'is invalid'
      when am.amname not in ('btree', 'hash') then 'is ' || am.amname
      when not (i.indkey::int2[])[0:i.indnkeyatts - 1] @> u.conkey then 'does no more than include it'
      when not (i.indkey::int2[])[0:pg_catalog.cardinality(u.conkey) - 1] <@ u.conkey then 'does not begin with it'
      when i.indpred is not null then 'is partial'
      else 'has another collation'
    end), '' order by i.indexrelid) as list
    from pg_catalog.pg_index i
    join pg_catalog.pg_class ic on ic.oid = i.indexrelid
    join pg_catalog.pg_am am on am.oid = ic.relam
    where i.indrelid = u.conrelid and i.indkey::int2[] @> u.conkey
  ) near
  cross join (
    select pg_catalog.pg_stat_get_db_stat_reset_time(d.oid) as at
    from pg_catalog.pg_database d
    where d.datname = pg_catalog.current_database()
  ) since
  where pg_catalog.to_jsonb(u) ->> 'conperiod' is distinct from 'true'
    or not exists (  -- a period is compared by overlap: an index has to find what stands before it
      select
      from pg_catalog.pg_index i
      cross join lateral (values (pg_catalog.cardinality(u.conkey) - 1)) k(n)
      cross join lateral (values (u.conkey[1:k.n], (i.indkey::int2[])[0:k.n - 1])) c(wanted, begins)
      where i.indrelid = u.conrelid and i.indisvalid and i.indpred is null and i.indnkeyatts >= k.n
        and c.begins @> c.wanted and c.begins <@ c.wanted
    )
),
told as (
  select
    j.*,
    case
      when j.rows >= 10000 and (j.deleted > 0 or j.rekeyed > 0 or j.asked >= 100) then 'important'
      when j.rows >= 1000 then 'routine'
      else 'noted'
    end as level,
    j.relname || '_' || j.plain || '_idx' as wish,
    coalesce(' since ' || pg_catalog.to_char(j.since, 'YYYY-MM-DD'), '') as when_
  from judged j
),
named as (
  select
    t.*,
    case
      when pg_catalog.octet_length(t.wish) > 63
        or exists (select from pg_catalog.pg_class c where c.relname = t.wish and c.relnamespace = t.relnamespace)
      then pg_catalog.left(t.relname, 12) || '_' || pg_catalog.left(pg_catalog.md5(t.wish), 8) || '_idx'
      else t.wish
    end as name
  from told t
)
select *
from (
  select distinct on (n.conrelid, n.conkey)
    pg_catalog.format('%%s (%%s)', n.q, n.list) as object,
    n.q as relation,
    n.level,
    pg_catalog.format(
      '%%s rows; %%s deleted from %%s%%s%%s%%s; no index begins with (%%s)%%s',
      pg_catalog.to_char(n.rows, 'FM999,999,999,999,990'),
      case when n.deleted = 0 then 'none' else pg_catalog.to_char(n.deleted, 'FM999,999,999,999,990') end,
      n.parent,
      case when n.days >= 1 and n.deleted > n.days
        then ' (' || pg_catalog.to_char(n.deleted / n.days, 'FM999,999,999,990') || ' a day)' else n.when_ end,
      case when n.rekeyed > 0
        then ', its key updated by ' || pg_catalog.to_char(n.rekeyed, 'FM999,999,999,990') || ' calls' else '' end,
      case when n.asked > 0
        then '; ' || pg_catalog.to_char(n.asked, 'FM999,999,999,990') || ' calls looked for it and read half the table'
        else '' end,
      n.list,
      coalesce(n.near, '')
    ) as detail,
    pg_catalog.format(
      'create index %%s%%I on %%s (%%s);', case n.relkind when 'p' then '' else 'concurrently ' end, n.name, n.q, n.list
    ) as remedy,
    case n.relkind when 'p'
      then 'It blocks the writes to each partition while it is built there; pgrunbook''s migration builds partition by '
        || 'partition, concurrently, and attaches them.'
      else '' end as advice,
    case when n.deleted = 0 and n.rekeyed = 0 and n.asked = 0
      then pg_catalog.format(
        'Nothing was deleted from %%s%%s, and no statement is known that reads the table for these columns: '
        'the index might only cost writes.', n.parent, n.when_)
      else '' end as doubt,
    n.rows::float8 as weight
  from named n
  order by n.conrelid, n.conkey, pg_catalog.array_position(array['important', 'routine', 'noted'], n.level), n.oid
) f
order by 8 desc, 1
