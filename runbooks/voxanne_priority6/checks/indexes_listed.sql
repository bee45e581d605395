/*---
title = "The document's list of indexes, LIKE 'idx_%_org_%', has its five, each on its table"
---*/
-- "Check if indexes exist". It lists others of that pattern too, and invalid ones: indexes_valid asks for more.
with listed as (
    select indexname, tablename
    from pg_catalog.pg_indexes
    where indexname like 'idx_%_org_%'
)
select w.index_name, w.table_name, 'not listed' as fault
from (
    values
        ('idx_call_logs_org_phone_created', 'call_logs'),
        ('idx_appointments_org_contact_scheduled', 'appointments'),
        ('idx_appointments_org_status_scheduled', 'appointments'),
        ('idx_messages_org_contact_method', 'messages'),
        ('idx_services_org_created', 'services')
) as w (index_name, table_name)
where not exists (select from listed as l where l.indexname = w.index_name and l.tablename = w.table_name)
order by w.index_name;
