/*---
title = "Each of the five indexes is valid, begins with org_id, and one of them is partial"
---*/
-- By state, not by name: IF NOT EXISTS is content with an invalid index of that name, and with one on other columns.
select w.index_name,
    case
        when x.indexrelid is null then 'missing, or on another table'
        when not (x.indisvalid and x.indisready and x.indislive) then 'not valid'
        else 'another one: ' || pg_catalog.pg_get_indexdef(x.indexrelid)
    end as fault
from (
    values
        ('idx_call_logs_org_phone_created', 'call_logs', 'org_id, phone_number, created_at', false),
        ('idx_appointments_org_contact_scheduled', 'appointments', 'org_id, contact_id, scheduled_at', false),
        ('idx_appointments_org_status_scheduled', 'appointments', 'org_id, status, scheduled_at', true),
        ('idx_messages_org_contact_method', 'messages', 'org_id, contact_id, method', false),
        ('idx_services_org_created', 'services', 'org_id, created_at', false)
) as w (index_name, table_name, columns, partial)
left join pg_catalog.pg_index as x
    on x.indexrelid = pg_catalog.to_regclass(w.index_name) and x.indrelid = pg_catalog.to_regclass(w.table_name)
left join lateral (
    select pg_catalog.string_agg(a.attname, ', ' order by a.attnum) as columns
    from pg_catalog.pg_attribute as a
    where a.attrelid = x.indexrelid
) as k on true
where (x.indisvalid and x.indisready and x.indislive and k.columns = w.columns and (x.indpred is not null) = w.partial) is not true
order by w.index_name;
