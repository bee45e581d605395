/*---
title = "Duplicate index"
group = "indexes"
says = """
Another index of the table is the same in all that matters: access method, columns or expressions, operator classes,
collations, order of values and of nulls (or, of B-trees, all of them reversed), included columns, condition. One of the
two does the work, both are kept up by every write. Other names, storage parameters and tablespaces make no difference.

The one to drop is never stricter than the one that stays: not the unique of the two, nor the constraint's, nor the
replica identity; of equal ones that which nothing reads, else the younger. A unique constraint over the columns of the primary key is told as well.
Always routine.
"""
mend = "Drop the one that does less, concurrently; a constraint is dropped with ALTER TABLE."
doubt = """
Statements that name an index (hints of pg_hint_plan, REINDEX, CLUSTER, ON CONFLICT ON CONSTRAINT) may name this one. It
may also have been built on purpose, to take the other's place: then drop the other.
"""
---*/
-- An option's bits are descending and nulls first: with both turned round the index is read backwards.
-- Pairs are found by what can be hashed; texts of expressions and conditions are made for those alone.
with rel as materialized (
  select c.oid, pg_catalog.format('%%I.%%I', n.nspname, c.relname) as q
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'm')
    and n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'pgrunbook')
    and not exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and e.objid = c.oid and e.deptype = 'e'
    )
),
ind as materialized (
  select
    i.indexrelid, i.indrelid, rel.q, ic.relname, ic.relnamespace, ic.relkind, ic.relpages, ic.relam,
    i.indkey[0] as first, (i.indkey::int2[])[0:i.indnkeyatts - 1] as keys, (i.indkey::int2[])[i.indnkeyatts:] as more,
    i.indnatts,
    i.indclass, i.indcollation, (i.indoption::int2[])[0:] as options,  -- a slice counts from 1, as an array that is made
    i.indexprs, i.indpred,
    am.amname = 'btree' as tree,
    i.indisunique, i.indisexclusion, i.indimmediate, i.indisreplident, i.indisclustered,
    ic.relispartition as attached
  from rel
  join pg_catalog.pg_index i on i.indrelid = rel.oid
  join pg_catalog.pg_class ic on ic.oid = i.indexrelid
  join pg_catalog.pg_am am on am.oid = ic.relam
  where i.indisvalid and i.indislive
),
pair as materialized (
  -- the other one's columns come along: joined again, an estimate of one pair would make a loop over all indexes
  select a.*, b.indexrelid as other, b.relname as b_relname, b.indisunique as b_unique, b.indimmediate as b_immediate,
    b.indisreplident as b_replident, b.attached as b_attached, b.indexprs as b_exprs, b.indpred as b_pred,
    a.options <> b.options as backwards
  from ind a
  join ind b on b.indrelid = a.indrelid and b.first = a.first and b.relam = a.relam and b.indclass = a.indclass
    and b.indcollation = a.indcollation
  where a.indexrelid <> b.indexrelid
    and not (a.indisexclusion or a.indisreplident or a.attached)
    and a.keys = b.keys and (a.options = b.options or a.tree and a.options = array(
      select (3 - u.o)::int2 from pg_catalog.unnest(b.options) with ordinality u(o, k) order by u.k
    ))
    and a.indnatts = b.indnatts and a.more @> b.more and a.more <@ b.more
    and (a.indexprs is null) = (b.indexprs is null)
    and (a.indpred is null) = (b.indpred is null)
),
standing as materialized (  -- what each of them does besides finding rows
  select
    i.indexrelid,
    coalesce(con.contype, '') as contype,
    con.conname,
    coalesce(pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct' = 'true', false) as nulls_equal,
    i.indexrelid in (select f.conindid from pg_catalog.pg_constraint f where f.contype = 'f') as referenced
  from pg_catalog.pg_index i
  left join pg_catalog.pg_constraint con on con.conindid = i.indexrelid and con.contype in ('p', 'u', 'x')
  where i.indexrelid in (select indexrelid from pair union select other from pair)
),
redundant as (
  select distinct on (a.indexrelid)
    a.*, sa.contype, sa.conname, sa.referenced, pg_catalog.quote_ident(a.b_relname) as keeper, sb.contype as keeper_type,
    a.b_unique as keeper_unique
  from pair a
  join standing sa on sa.indexrelid = a.indexrelid
  join standing sb on sb.indexrelid = a.other
  cross join lateral (values (
    array[sa.contype <> 'p', sa.contype = '', not a.indisreplident, not a.indisunique, not a.indimmediate,
      not sa.nulls_equal, not a.attached, not sa.referenced, pg_catalog.pg_stat_get_numscans(a.indexrelid) = 0],
    array[sb.contype <> 'p', sb.contype = '', not a.b_replident, not a.b_unique, not a.b_immediate,
      not sb.nulls_equal, not a.b_attached, not sb.referenced, pg_catalog.pg_stat_get_numscans(a.other) = 0]
  )) r(own, others)
  where (r.others, a.other) < (r.own, a.indexrelid)
    and (not a.indisunique
      or a.b_unique and (a.b_immediate or not a.indimmediate) and (sb.nulls_equal or not sa.nulls_equal))
    and coalesce(pg_catalog.pg_get_expr(a.indexprs, a.indrelid) = pg_catalog.pg_get_expr(a.b_exprs, a.indrelid), true)
    and coalesce(pg_catalog.pg_get_expr(a.indpred, a.indrelid) = pg_catalog.pg_get_expr(a.b_pred, a.indrelid), true)
    and not exists (  -- parameters of operator classes, such as the length of a signature
      select
      from pg_catalog.pg_attribute x
      join pg_catalog.pg_attribute y on y.attrelid = a.other and y.attnum = x.attnum
      where x.attrelid = a.indexrelid and x.attoptions is distinct from y.attoptions
    )
  order by a.indexrelid, r.others, a.other
)
select
  pg_catalog.format('%%I.%%I', n.nspname, r.relname) as object,
  r.q as relation,
  'routine' as level,
  pg_catalog.format(
    'the same as %%s%%s%%s: %%s; %%s',
    r.keeper,
    case when r.backwards then ', read backwards' else '' end,
    case r.keeper_type
      when 'p' then ', the primary key'
      when 'u' then ', a unique constraint'
      when 'x' then ', an exclusion constraint'
      else case when r.keeper_unique then ', which is unique' else '' end
    end,
    pg_catalog.substring(pg_catalog.pg_get_indexdef(r.indexrelid), ' USING (.*)$'),
    case
      when r.relkind = 'I' then 'partitioned'
      when r.relpages >= 128
      then pg_catalog.round(r.relpages * pg_catalog.current_setting('block_size')::numeric / 1048576) || ' MB'
      else r.relpages * pg_catalog.current_setting('block_size')::int8 / 1024 || ' kB'
    end
  ) as detail,
  case
    when r.referenced then ''
    when r.contype = 'u' then pg_catalog.format('alter table %%s drop constraint %%I;', r.q, r.conname)
    when r.relkind = 'I' then pg_catalog.format('drop index %%I.%%I;', n.nspname, r.relname)
    else pg_catalog.format('drop index concurrently %%I.%%I;', n.nspname, r.relname)
  end as remedy,
  case when r.referenced
    then pg_catalog.format(
      'A foreign key that points to this table was made with %%I: make the foreign key anew, then drop it.', r.relname)
    else '' end as advice,
  case
    when r.indisclustered then 'CLUSTER orders the table by this one: name the other to it first.'
    when r.contype = 'u' then 'ON CONFLICT ON CONSTRAINT may name this constraint.'
    else ''
  end as doubt,
  r.relpages * pg_catalog.current_setting('block_size')::float8 as weight
from redundant r
join pg_catalog.pg_namespace n on n.oid = r.relnamespace
order by 8 desc, 1
