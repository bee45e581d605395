/*---
title = "Policy column without an index"
group = "indexes"
says = """
A policy compares a column of its table by =, IN or ANY with something that is the same for all rows, and no valid,
non-partial index begins with that column. The policy's condition is added to every query of the roles under it, so
that each of them reads the whole table where its own conditions do not narrow it. Only USING counts, as WITH CHECK is
never searched for; so do only policies that somebody meets, on tables with row level security enabled. Columns that
are compared inside a sub-query that runs for each row are not asked for on this table. A partial index counts where
its only condition is that the column is not null. BRIN, GIN and Bloom indexes do not count. For a partitioned table
either its own index counts, or one on each of its partitions.

Important from 10,000 rows, routine from 1,000; smaller tables are left out. Noted where the column is compared with a literal, which
may be on most of the rows, where another arm of an OR compares no column, or where the column is converted first;
routine at most where it is compared by `in (select …)`. A boolean or an enum that is compared with a literal is not
told.
"""
mend = "Build an index that begins with the column; concurrently, so that nobody waits."
doubt = """
Where every query brings a better condition of its own, as by the primary key, or where nearly all rows are the
asker's, the index only costs writes.
"""
needs = ["policies"]
---*/
-- Which columns are compared, and how, is a fact (`uses`); indexes are looked up for those alone.
with recursive reach (member, role) as materialized (  -- whose privileges a role has: its own and inherited ones
  select r.oid, r.oid
  from pg_catalog.pg_roles r
  union
  select h.member, m.roleid
  from reach h
  join pg_catalog.pg_roles r on r.oid = h.role
  join pg_catalog.pg_auth_members m on m.member = h.role
  where coalesce((pg_catalog.to_jsonb(m) ->> 'inherit_option')::bool, r.rolinherit)
), met as materialized (  -- a policy for any of these, or for PUBLIC, holds for somebody
  select distinct h.role
  from reach h
  join pg_catalog.pg_roles r on r.oid = h.member
  where not r.rolsuper and not r.rolbypassrls and r.rolname !~ '^pg_'
), facts as materialized (
  select f.relation as oid, f.policy, f.command, f.uses
  from pg_catalog.jsonb_to_recordset(%(policies)s::jsonb)
    as f(relation oid, policy text, command text, roles oid[], uses jsonb)
  where f.uses <> '[]' and exists (
    select from pg_catalog.unnest(f.roles) u(role) where u.role = 0 or u.role in (select role from met)
  )
), uses as materialized (
  select f.oid, u."column" as attnum,
    pg_catalog.string_agg(distinct pg_catalog.quote_ident(f.policy), ', ') as policies,
    count(distinct f.policy) as number,
    pg_catalog.bool_or(u."with" <> 'constant' and not u."cast" and not u.either) as plain,
    pg_catalog.bool_or(u."with" = 'value' and not u."cast" and not u.either) as value,
    pg_catalog.bool_and(u."with" = 'constant') as literal,
    pg_catalog.bool_and(u."cast") as "cast",
    pg_catalog.bool_and(u.either) as either,
    pg_catalog.bool_and(u."with" = 'query') as query
  from facts f
  cross join lateral pg_catalog.jsonb_to_recordset(f.uses) as u("column" int2, "with" text, "cast" bool, either bool)
  group by 1, 2
), wanted as materialized (
  select u.*, c.relkind, c.relname, c.relnamespace, c.reltuples, a.attname,
    pg_catalog.format('%%I.%%I', n.nspname, c.relname) as q
  from uses u
  join pg_catalog.pg_class c on c.oid = u.oid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join pg_catalog.pg_attribute a on a.attrelid = u.oid and a.attnum = u.attnum
  where c.relrowsecurity and not c.relispartition
), parts as materialized (  -- the table itself, and the leaves of a partitioned one with the column's number there
  select w.oid, w.attnum, w.oid as part, w.attnum as there, w.attname, false as leaf
  from wanted w
  union all
  select w.oid, w.attnum, p.relid, a.attnum, w.attname, true
  from wanted w
  cross join lateral pg_catalog.pg_partition_tree(case w.relkind when 'p' then w.oid end::pg_catalog.regclass) p
  join pg_catalog.pg_attribute a on a.attrelid = p.relid and a.attname = w.attname
  where p.isleaf
), indexed as materialized (
  select p.oid, p.attnum, p.leaf, p.part,
    pg_catalog.bool_or(i.indrelid is not null) as there
  from parts p
  left join (
    select i.indrelid, i.indkey, i.indpred
    from pg_catalog.pg_index i
    join pg_catalog.pg_class x on x.oid = i.indexrelid
    join pg_catalog.pg_am am on am.oid = x.relam
    where i.indisvalid and i.indislive and am.amname not in ('brin', 'gin', 'bloom')
  ) i on i.indrelid = p.part and i.indkey[0] = p.there and (
    i.indpred is null
    or pg_catalog.pg_get_expr(i.indpred, i.indrelid) = pg_catalog.format('(%%I IS NOT NULL)', p.attname)
  )
  group by 1, 2, 3, 4
), lacking as materialized (
  select w.*, greatest(w.reltuples, pg_catalog.pg_stat_get_live_tuples(w.oid), case w.relkind when 'p' then (
      select pg_catalog.sum(greatest(c.reltuples, pg_catalog.pg_stat_get_live_tuples(c.oid), 0))
      from pg_catalog.pg_partition_tree(w.oid) p
      join pg_catalog.pg_class c on c.oid = p.relid
      where p.isleaf
    ) end, 0) as rows
  from wanted w
  join (
    select oid, attnum, pg_catalog.bool_or(there) filter (where not leaf) as itself,
      coalesce(pg_catalog.bool_and(there) filter (where leaf), false) as leaves
    from indexed
    group by 1, 2
  ) i on i.oid = w.oid and i.attnum = w.attnum
  where not i.itself and not i.leaves
), told as (
  select l.*, l.relname || '_' || l.attname || '_idx' as wish,
    case
      when not l.plain then 'noted'
      when l.rows < 10000 or not l.value then 'routine'
      else 'important'
    end as level,
    (
      select pg_catalog.string_agg(pg_catalog.format('; %%s %%s', pg_catalog.quote_ident(x.relname), case
        when not (i.indisvalid and i.indislive) then 'is invalid'
        when am.amname in ('brin', 'gin', 'bloom') then 'is ' || am.amname
        when i.indkey[0] <> l.attnum then 'does not begin with it'
        else 'is partial'
      end), '' order by i.indexrelid)
      from pg_catalog.pg_index i
      join pg_catalog.pg_class x on x.oid = i.indexrelid
      join pg_catalog.pg_am am on am.oid = x.relam
      where i.indrelid = l.oid and l.attnum = any (i.indkey::int2[])
    ) as near
  from lacking l
  where l.rows >= 1000
), named as (
  select t.*, case
      when pg_catalog.octet_length(t.wish) > 63
        or exists (select from pg_catalog.pg_class c where c.relname = t.wish and c.relnamespace = t.relnamespace)
      then pg_catalog.left(t.relname, 12) || '_' || pg_catalog.left(pg_catalog.md5(t.wish), 8) || '_idx'
      else t.wish
    end as name
  from told t
)
select
  pg_catalog.format('%%s.%%I', n.q, n.attname) as object,
  n.q as relation,
  n.level,
  pg_catalog.format('%%s rows; %%s (%%s) compares %%I with %%s; no index begins with it%%s',
    pg_catalog.to_char(n.rows, 'FM999,999,999,999,990'),
    case n.number when 1 then 'a policy' else 'each of ' || n.number || ' policies' end,
    case when pg_catalog.length(n.policies) > 200 then pg_catalog.left(n.policies, 200) || ' …' else n.policies end,
    n.attname,
    case when n.query then 'a sub-query' when n.literal then 'a literal' else 'a value of the session' end
      || case when n."cast" then ', converted first' else '' end
      || case when n.either then ', or asks something else' else '' end,
    coalesce(n.near, '')) as detail,
  pg_catalog.format('create index %%s%%I on %%s (%%I);',
    case n.relkind when 'p' then '' else 'concurrently ' end, n.name, n.q, n.attname) as remedy,
  pg_catalog.concat_ws(' ',
    case when n.relkind = 'p' then 'It blocks the writes to each partition while it is built there; pgrunbook''s '
      'migration builds partition by partition, concurrently, and attaches them.' end,
    case when n.query then pg_catalog.format('In `%%I in (select …)` the server looks each row up in the sub-query''s '
      'answer and uses no index; with `%%I = any (array(select …))` in the policy it can.', n.attname, n.attname) end,
    case when n."cast" then 'Convert the other side in the policy, not the column: only then is the index of use.' end
  ) as advice,
  case
    when n.either then 'The column stands under an OR of which another arm compares no column: the policy alone reads '
      'every row even with the index.'
    when n.literal then 'It is compared with a literal: if most rows hold that value, the index is of no use.'
    when n.query and not n.value then 'The policy itself can''t use the index as it is written; queries that name the '
      'column as well can.'
    else ''
  end as doubt,
  n.rows::float8 as weight
from named n
order by 8 desc, 1
