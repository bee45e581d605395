-- Functions by oid, and all of some names. `body` is the source of those in SQL, as a whole statement where it was
-- parsed when the function was made. Run with search_path = pg_catalog.
select
  p.oid::int8 as oid,
  n.nspname::text as schema,
  p.proname::text as name,
  l.lanname::text as language,
  p.provolatile::text as volatility,
  (p.pronargs - p.pronargdefaults)::int4 as fewest,
  case when p.provariadic <> 0 then 100 else p.pronargs end::int4 as most,
  pg_catalog.format_type(p.prorettype, null) as returns,
  p.proisstrict as strict,
  case
    when l.lanname <> 'sql' then ''
    when p.prosrc <> '' then p.prosrc
    else pg_catalog.pg_get_functiondef(p.oid)
  end as body,
  coalesce((
    select pg_catalog.substr(c.setting, 13)
    from pg_catalog.unnest(p.proconfig) c(setting)
    where c.setting like 'search_path=%%'
  ), '') as search_path
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_language l on l.oid = p.prolang
where p.prokind = 'f' and (p.oid = any (%(oids)s::oid[]) or p.proname = any (%(names)s::text[]))
order by 1
