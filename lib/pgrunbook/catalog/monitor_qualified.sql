-- Names as the catalog has them; those of what is gone as they are given. to_regclass would need USAGE on the schema.
select coalesce(found.name, n) as name
from pg_catalog.unnest(%(names)s::text[]) with ordinality u(n, place)
cross join lateral (select pg_catalog.parse_ident(n) as parts) p
left join lateral (
  select pg_catalog.format('%%I.%%I', s.nspname, c.relname) as name
  from pg_catalog.pg_class c
  join pg_catalog.pg_namespace s on s.oid = c.relnamespace
  where c.relname = p.parts[pg_catalog.cardinality(p.parts)]::name
    and (s.nspname = p.parts[pg_catalog.cardinality(p.parts) - 1]
      or pg_catalog.cardinality(p.parts) = 1 and pg_catalog.pg_table_is_visible(c.oid))
) found on true
order by u.place
