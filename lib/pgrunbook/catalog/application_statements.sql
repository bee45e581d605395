-- The statements of a database by the marker in their text, `select /* application: KIND */ …` or `/* aside: KIND */`;
-- kind is '' for those without one. The marker stands inside, since a server from 18 on leaves out what goes before.
-- Of those, transactions, settings and questions to the catalogs (pgrunbook asks some meanwhile) are left out.
-- With the extension's schema as the search path.
select
  coalesce(m.marker[1], '') as scope,
  coalesce(m.marker[2], '') as kind,
  pg_catalog.sum(s.calls)::int8 as calls,
  pg_catalog.sum(s.total_exec_time) as ms
from pg_stat_statements(true) s
left join lateral pg_catalog.regexp_match(s.query, '/\* (application|aside): (\w+) \*/') m (marker) on true
where s.dbid = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())
  and (
    m.marker is not null
    or s.query !~* '^\s*(begin|start transaction|commit|rollback|savepoint|release|set|reset|deallocate|discard)\y'
    and s.query !~ 'pg_catalog\.'
  )
group by 1, 2
order by 1, 2
