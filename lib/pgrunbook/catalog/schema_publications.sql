-- Publications FOR TABLES IN SCHEMA of the ledger's schema, also before it has tables (PostgreSQL 15 and newer).
select p.pubname::text as name, p.puballtables as all_tables
from pg_catalog.pg_publication p
join pg_catalog.pg_publication_namespace pn on pn.pnpubid = p.oid
join pg_catalog.pg_namespace n on n.oid = pn.pnnspid
where n.nspname = %(schema)s
order by p.pubname
