/*---
title = "Each of the eighteen indexes is valid and what the document says: one hash, two partial, none unique; on SQLite all of them whole B-trees"
sqlite = """
with wanted (name, tbl, columns) as (
    values
        ('idx_activity_openphone_id', 'activity', 'openphone_id'),
        ('idx_webhook_event_processed', 'webhook_event', 'processed, created_at'),
        ('idx_webhook_event_id', 'webhook_event', 'event_id'),
        ('idx_campaign_membership_status', 'campaign_membership', 'campaign_id, status'),
        ('idx_campaign_membership_sent', 'campaign_membership', 'sent_at, status'),
        ('idx_contact_phone_hash', 'contact', 'phone'),
        ('idx_contact_first_name', 'contact', 'first_name'),
        ('idx_contact_last_name', 'contact', 'last_name'),
        ('idx_contact_email', 'contact', 'email'),
        ('idx_contact_flag_type_phone', 'contact_flag', 'flag_type, contact_id'),
        ('idx_activity_conversation_created', 'activity', 'conversation_id, created_at'),
        ('idx_activity_type_created', 'activity', 'activity_type, created_at'),
        ('idx_activity_user', 'activity', 'user_id, created_at'),
        ('idx_activity_contact', 'activity', 'contact_id, created_at'),
        ('idx_conversation_phone_number_id', 'conversation', 'phone_number_id'),
        ('idx_conversation_contact', 'conversation', 'contact_id'),
        ('idx_appointment_date', 'appointment', 'date, time'),
        ('idx_invoice_status_due', 'invoice', 'status, due_date')
)
select w.name, case when m.name is null then 'missing, or on another table' else 'another one: ' || m.sql end as fault
from wanted as w
left join sqlite_master as m on m.type = 'index' and m.name = w.name and m.tbl_name = w.tbl
where m.name is null
    or (select group_concat(k.name, ', ') from (select i.name from pragma_index_info(w.name) as i order by i.seqno) as k) <> w.columns
    or exists (select 1 from pragma_index_list(w.tbl) as l where l.name = w.name and (l.partial or l."unique"))
order by w.name
"""
---*/
-- "All indexes verified as created in PostgreSQL": by state and definition, since a failed build leaves its name behind.
select w.index_name,
    case
        when x.indexrelid is null then 'missing, or on another table'
        when not (x.indisvalid and x.indisready and x.indislive) then 'not valid'
        else 'another one: ' || pg_catalog.pg_get_indexdef(x.indexrelid)
    end as fault
from (
    values
        ('idx_activity_openphone_id', 'activity', 'btree', 'openphone_id', '(openphone_id IS NOT NULL)'),
        ('idx_webhook_event_processed', 'webhook_event', 'btree', 'processed, created_at', null),
        ('idx_webhook_event_id', 'webhook_event', 'btree', 'event_id', null),
        ('idx_campaign_membership_status', 'campaign_membership', 'btree', 'campaign_id, status', null),
        ('idx_campaign_membership_sent', 'campaign_membership', 'btree', 'sent_at, status', null),
        ('idx_contact_phone_hash', 'contact', 'hash', 'phone', null),
        ('idx_contact_first_name', 'contact', 'btree', 'first_name', null),
        ('idx_contact_last_name', 'contact', 'btree', 'last_name', null),
        ('idx_contact_email', 'contact', 'btree', 'email', null),
        ('idx_contact_flag_type_phone', 'contact_flag', 'btree', 'contact_id', '((flag_type)::text = ''opted_out''::text)'),
        ('idx_activity_conversation_created', 'activity', 'btree', 'conversation_id, created_at', null),
        ('idx_activity_type_created', 'activity', 'btree', 'activity_type, created_at', null),
        ('idx_activity_user', 'activity', 'btree', 'user_id, created_at', null),
        ('idx_activity_contact', 'activity', 'btree', 'contact_id, created_at', null),
        ('idx_conversation_phone_number_id', 'conversation', 'btree', 'phone_number_id', null),
        ('idx_conversation_contact', 'conversation', 'btree', 'contact_id', null),
        ('idx_appointment_date', 'appointment', 'btree', 'date, time', null),
        ('idx_invoice_status_due', 'invoice', 'btree', 'status, due_date', null)
) as w (index_name, table_name, method, columns, condition)
left join pg_catalog.pg_index as x
    on x.indexrelid = pg_catalog.to_regclass(w.index_name) and x.indrelid = pg_catalog.to_regclass(w.table_name)
left join lateral (
    select m.amname as method, pg_catalog.string_agg(a.attname, ', ' order by a.attnum) as columns
    from pg_catalog.pg_class as c
    join pg_catalog.pg_am as m on m.oid = c.relam
    join pg_catalog.pg_attribute as a on a.attrelid = c.oid
    where c.oid = x.indexrelid
    group by m.amname
) as k on true
where (
        x.indisvalid and x.indisready and x.indislive and not x.indisunique
        and k.method = w.method and k.columns = w.columns
        and pg_catalog.pg_get_expr(x.indpred, x.indrelid) is not distinct from w.condition
    ) is not true
order by w.index_name;
