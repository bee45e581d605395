-- A view: the statement that makes it again under the name `shown`, and `definition`, which is equal where views are,
-- however their options were spelled. Run with search_path = pg_catalog.
select
  pg_catalog.format('%%s%%s as %%s', h.head, ' with (' || o.equal || ')', d.query) as definition,
  pg_catalog.format('%%s%%s as %%s', h.head, ' with (' || o.exact || ')', d.query) as statement
from pg_catalog.pg_class c
cross join lateral (
  select pg_catalog.format('create or replace view %%s (%%s)', %(shown)s::text,
    pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by a.attnum))
  from pg_catalog.pg_attribute a
  where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
) h(head)
cross join lateral (
  select
    pg_catalog.string_agg(case when is_flag then case when value::bool then name || '=true' end else x end,
      ', ' order by x collate "C"),
    pg_catalog.string_agg(x, ', ' order by n)
  from pg_catalog.unnest(c.reloptions) with ordinality u(x, n)
  cross join lateral (select pg_catalog.split_part(x, '=', 1), pg_catalog.split_part(x, '=', 2)) s(name, value)
  cross join lateral (select name in ('security_barrier', 'security_invoker')) f(is_flag)
) o(equal, exact)
cross join lateral (select pg_catalog.rtrim(pg_catalog.pg_get_viewdef(c.oid), ';')) d(query)
where c.oid = pg_catalog.to_regclass(%(name)s) and c.relkind = 'v'
order by c.oid
