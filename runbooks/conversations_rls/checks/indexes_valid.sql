/*---
title = "Each of the eight composite indexes is there, on its table and its columns, and valid"
---*/
-- By state, not by name: a build that failed leaves an index which writes pay for and no query reads, and
-- IF NOT EXISTS is content with an index of that name on whatever columns.
select w.index_name, w.table_name,
    case
        when x.indexrelid is null then 'missing, or on another table'
        when not x.indisvalid then 'invalid'
        when not x.indisready or not x.indislive then 'not ready'
        else 'on other columns: ' || k.columns
    end as fault
from (
    values
        ('idx_conversations_domain_started', 'conversations', 'domain_id, started_at'),
        ('idx_conversations_org_started', 'conversations', 'org_id, started_at'),
        ('idx_conversations_domain_status_started', 'conversations', 'domain_id, status, started_at'),
        ('idx_conversations_org_status_started', 'conversations', 'org_id, status, started_at'),
        ('idx_messages_conversation_created', 'messages', 'conversation_id, created_at'),
        ('idx_messages_conversation_role', 'messages', 'conversation_id, role'),
        ('idx_messages_org_created', 'messages', 'org_id, created_at'),
        ('idx_messages_org_role_created', 'messages', 'org_id, role, created_at')
) as w (index_name, table_name, columns)
left join pg_catalog.pg_index as x
    on x.indexrelid = pg_catalog.to_regclass(w.index_name) and x.indrelid = pg_catalog.to_regclass(w.table_name)
left join lateral (
    select pg_catalog.string_agg(a.attname, ', ' order by a.attnum) as columns
    from pg_catalog.pg_attribute as a
    where a.attrelid = x.indexrelid
) as k on true
where (x.indisvalid and x.indisready and x.indislive and k.columns = w.columns) is not true
order by w.index_name;
