-- Publications that replicate the ledger's tables: FOR ALL TABLES, or naming them.
select p.pubname::text as name, p.puballtables as all_tables
from pg_catalog.pg_publication p
where p.puballtables
   or exists (
     select from pg_catalog.pg_publication_tables t where t.pubname = p.pubname and t.schemaname = %(schema)s
   )
order by p.pubname
