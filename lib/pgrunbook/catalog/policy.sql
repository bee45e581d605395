-- A policy: the statement that makes it again (on `shown`), its parts and its comment. Run with search_path = pg_catalog,
-- so that whatever is named in its expressions is named with its schema.
select
  pg_catalog.concat_ws(' ',
    pg_catalog.format('create policy %%I on %%s', p.polname, %(shown)s::text),
    case when p.polpermissive then 'as permissive' else 'as restrictive' end,
    'for ' || case p.polcmd
      when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end,
    'to ' || r.roles,
    'using (' || e.qual || ')',
    'with check (' || e.with_check || ')'
  ) as definition,
  r.roles,
  e.qual,
  e.with_check,
  pg_catalog.obj_description(p.oid, 'pg_policy') as comment
from pg_catalog.pg_policy p
cross join lateral (
  select pg_catalog.string_agg(name, ', ' order by name collate "C")
  from (
    select case when oid = 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(oid)) end
    from pg_catalog.unnest(p.polroles) u(oid)
  ) n(name)
) r(roles)
cross join lateral (
  select pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
) e(qual, with_check)
where p.polrelid = pg_catalog.to_regclass(%(relation)s) and p.polname = %(name)s
order by p.oid
