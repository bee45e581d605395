/*---
title = "Policy that calls a function for each row"
group = "row level security"
says = """
A policy calls a STABLE or VOLATILE function, or current_setting, for each row that the server looks at. Told from the
parsed clauses: a call counts if it stands outside every sub-query, or in one that names a column of the table and is
so run for each row, even as `(select f(column))`. A sub-query that names none runs once, and what it calls is in
order; but `in (select … where user_id = f())` calls f for each row of the table that it reads, which counts from 1,000
rows where no index begins with that column. A helper in SQL is looked into; one that is called for each row calls
whatever it calls as often. IMMUTABLE functions, current_user and what costs next to nothing (now, to_char, …) do not
count; nor do policies that nobody meets, since all their roles bypass row security or it is not enabled.

Important from 10,000 rows, else routine. WITH CHECK runs for written rows alone: routine at most, and noted where the
call takes the row's own column. Calls for each row of another table go by that table's size.
"""
mend = """
Write `(select f())`: the server then runs it once for each query. A function of the row's column can't be wrapped:
turn it round to one that returns the set of allowed values, and write `column in (select f())`.
"""
doubt = """
If the policy's column has an index and a query uses it, the function is called once for the scan. Queries that look at
few rows pay little.
"""
needs = ["policies"]
---*/
-- One row for each policy; the parse has told how often each of its calls is made, sizes and indexes are looked up
-- here.
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
  select f.relation as oid, f.policy, f.object, f.command, f.calls, f.wrapped,
    pg_catalog.format('%%I.%%I', n.nspname, c.relname) as q,
    greatest(c.reltuples, pg_catalog.pg_stat_get_live_tuples(c.oid), case c.relkind when 'p' then (
      select pg_catalog.sum(greatest(l.reltuples, pg_catalog.pg_stat_get_live_tuples(l.oid), 0))
      from pg_catalog.pg_partition_tree(c.oid) p
      join pg_catalog.pg_class l on l.oid = p.relid
      where p.isleaf
    ) end, 0) as rows
  from pg_catalog.jsonb_to_recordset(%(policies)s::jsonb)
    as f(relation oid, policy text, object text, command text, roles oid[], calls jsonb, wrapped jsonb)
  join pg_catalog.pg_class c on c.oid = f.relation
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where f.calls <> '[]' and c.relrowsecurity and not c.relispartition and exists (
    select from pg_catalog.unnest(f.roles) u(role) where u.role = 0 or u.role in (select role from met)
  )
), calls as materialized (
  select f.object, f.policy, f.q, f.rows, f.wrapped, k.*, k.name || '()' as shown,
    case k.via when '' then k.name else k.via end || '()' as outer_,
    k.over ->> 0 as over_schema, k.over ->> 1 as over_table
  from facts f
  cross join lateral pg_catalog.jsonb_to_recordset(f.calls) as k(
    name text, volatility text, language text, bare bool, on_columns bool, clause text, via text, over jsonb, key text
  )
  where k.volatility in ('s', 'v') and (k.bare or k.over is not null and not k.on_columns)
), inner_tables as materialized (
  select c.over_schema, c.over_table, c.key, t.oid,
    greatest(t.reltuples, pg_catalog.pg_stat_get_live_tuples(t.oid), 0) as rows,
    exists (
      select
      from pg_catalog.pg_index i
      join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attname = c.key
      where i.indrelid = t.oid and i.indisvalid and i.indpred is null and i.indkey[0] = a.attnum
    ) as indexed
  from (select distinct over_schema, over_table, key from calls where not bare) c
  join pg_catalog.pg_namespace n on n.nspname = c.over_schema
  join pg_catalog.pg_class t on t.relnamespace = n.oid and t.relname = c.over_table
), counted as (
  select c.*, null::float8 as inner_rows
  from calls c
  where c.bare
  union all
  select c.*, coalesce(i.rows, 0)
  from calls c
  left join inner_tables i on i.over_schema = c.over_schema and i.over_table = c.over_table and i.key = c.key
  where not c.bare and not coalesce(i.indexed, false) and i.rows >= 1000
), by_helper as (
  select c.object, c.policy, c.q, c.rows, c.wrapped, c.via,
    pg_catalog.bool_or(c.bare and c.clause = 'using') as reads,
    pg_catalog.bool_or(not c.on_columns) as wrappable,
    pg_catalog.bool_or(c.bare) as own,
    max(c.inner_rows) as inner_rows,
    pg_catalog.array_agg(distinct c.shown)
      filter (where c.bare and not c.on_columns and c.via = '' and c.clause = 'using') as bare_read,
    pg_catalog.array_agg(distinct c.shown)
      filter (where c.bare and not c.on_columns and c.via = '' and c.clause = 'check') as bare_check,
    pg_catalog.array_agg(distinct c.outer_) filter (where c.bare and c.on_columns and c.clause = 'using') as fed_read,
    pg_catalog.array_agg(distinct c.outer_) filter (where c.bare and c.on_columns and c.clause = 'check') as fed_check,
    case when c.via <> '' then c.via || '() calls ' || pg_catalog.string_agg(distinct c.shown, ', ') end as below,
    pg_catalog.string_agg(distinct pg_catalog.format('%%s for each of about %%s rows of %%I.%%I', c.shown,
        pg_catalog.to_char(c.inner_rows, 'FM999,999,999,999,990'), coalesce(c.over_schema, ''),
        coalesce(c.over_table, '')), ', ')
      filter (where c.via = '' and not c.bare) as inner_calls,
    pg_catalog.string_agg(distinct c.shown, ', ')
      filter (where c.volatility = 'v' and not c.on_columns and c.via = '') as volatile,
    pg_catalog.string_agg(distinct c.shown, ', ') filter (where c.language not in ('sql', 'internal')) as unread,
    count(distinct c.name) as functions
  from counted c
  group by 1, 2, 3, 4, 5, 6
), judged as (
  select b.object, b.policy, b.q, b.rows, b.wrapped,
    pg_catalog.bool_or(b.reads) as reads,
    pg_catalog.bool_or(b.wrappable) as wrappable,
    pg_catalog.bool_or(b.own) as own,
    max(b.inner_rows) as inner_rows,
    pg_catalog.string_agg(distinct pg_catalog.array_to_string(b.bare_read, ', '), ', ') as bare_read,
    pg_catalog.string_agg(distinct pg_catalog.array_to_string(b.bare_check, ', '), ', ') as bare_check,
    pg_catalog.string_agg(distinct f.name, ', ') filter (where f.reads) as fed_read,
    pg_catalog.string_agg(distinct f.name, ', ') filter (where not f.reads) as fed_check,
    pg_catalog.string_agg(distinct f.name, ', ') as fed,
    pg_catalog.string_agg(distinct b.below, '; ') as below,
    pg_catalog.string_agg(distinct b.inner_calls, ', ') as inner_calls,
    pg_catalog.string_agg(distinct b.volatile, ', ') as volatile,
    pg_catalog.string_agg(distinct b.unread, ', ') as unread,
    max(b.functions) as functions
  from by_helper b
  left join lateral (
    select u.name, true as reads from pg_catalog.unnest(b.fed_read) u(name)
    union all
    select u.name, false from pg_catalog.unnest(b.fed_check) u(name)
  ) f on true
  group by 1, 2, 3, 4, 5
)
select
  j.object,
  j.q as relation,
  case
    when j.reads then case when j.rows >= 10000 then 'important' else 'routine' end
    when j.own then case when j.wrappable then 'routine' else 'noted' end
    when j.inner_rows >= 10000 then 'important'
    else 'routine'
  end as level,
  pg_catalog.concat_ws('; ',
    'USING calls ' || j.bare_read || ' for each of about ' || n.rows || ' rows',
    'USING calls ' || j.fed_read || ' with columns of the row, for each of about ' || n.rows || ' rows',
    'WITH CHECK calls ' || j.bare_check || ' for each row that is written',
    'WITH CHECK calls ' || j.fed_check || ' with columns of each row that is written',
    'a sub-query calls ' || j.inner_calls || ', once for each query',
    j.below
  ) as detail,
  case
    when j.wrapped ->> 'using' = '' and j.wrapped ->> 'check' = '' then ''
    else pg_catalog.format('alter policy %%I on %%s%%s%%s;', j.policy, j.q,
      case when j.wrapped ->> 'using' <> '' then ' using (' || (j.wrapped ->> 'using') || ')' else '' end,
      case when j.wrapped ->> 'check' <> '' then ' with check (' || (j.wrapped ->> 'check') || ')' else '' end)
  end as remedy,
  case
    when j.fed is not null then pg_catalog.format('%%s can''t be wrapped, as it takes a column of the row: write a '
      'function that returns the allowed values instead, and `column in (select …)`; or put its body into the policy',
      j.fed)
    else ''
  end as advice,
  pg_catalog.concat_ws(' ',
    j.volatile || ' is VOLATILE: wrapped it is called once for each query, which changes the outcome if it returns '
      'something else from row to row; else it should be declared STABLE.',
    'The body of ' || j.unread || ' was not read; it is called for each row whatever it does.'
  ) as doubt,
  (greatest(j.rows, coalesce(j.inner_rows, 0)) * j.functions)::float8 as weight
from judged j
cross join lateral pg_catalog.to_char(j.rows, 'FM999,999,999,999,990') n(rows)
order by 8 desc, 1
