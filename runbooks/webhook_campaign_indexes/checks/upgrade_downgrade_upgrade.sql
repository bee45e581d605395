/*---
title = "Upgrade, downgrade, upgrade again: on copies of the nine tables all eighteen indexes come, go and come again"
writes = true
sqlite = """
drop index if exists idx_activity_openphone_id;

drop index if exists idx_webhook_event_processed;

drop index if exists idx_webhook_event_id;

drop index if exists idx_campaign_membership_status;

drop index if exists idx_campaign_membership_sent;

drop index if exists idx_contact_phone_hash;

drop index if exists idx_contact_first_name;

drop index if exists idx_contact_last_name;

drop index if exists idx_contact_email;

drop index if exists idx_contact_flag_type_phone;

drop index if exists idx_activity_conversation_created;

drop index if exists idx_activity_type_created;

drop index if exists idx_activity_user;

drop index if exists idx_activity_contact;

drop index if exists idx_conversation_phone_number_id;

drop index if exists idx_conversation_contact;

drop index if exists idx_appointment_date;

drop index if exists idx_invoice_status_due;

create index if not exists idx_activity_openphone_id on activity (openphone_id);

create index if not exists idx_webhook_event_processed on webhook_event (processed, created_at);

create index if not exists idx_webhook_event_id on webhook_event (event_id);

create index if not exists idx_campaign_membership_status on campaign_membership (campaign_id, status);

create index if not exists idx_campaign_membership_sent on campaign_membership (sent_at, status);

create index if not exists idx_contact_phone_hash on contact (phone);

create index if not exists idx_contact_first_name on contact (first_name);

create index if not exists idx_contact_last_name on contact (last_name);

create index if not exists idx_contact_email on contact (email);

create index if not exists idx_contact_flag_type_phone on contact_flag (flag_type, contact_id);

create index if not exists idx_activity_conversation_created on activity (conversation_id, created_at);

create index if not exists idx_activity_type_created on activity (activity_type, created_at);

create index if not exists idx_activity_user on activity (user_id, created_at);

create index if not exists idx_activity_contact on activity (contact_id, created_at);

create index if not exists idx_conversation_phone_number_id on conversation (phone_number_id);

create index if not exists idx_conversation_contact on conversation (contact_id);

create index if not exists idx_appointment_date on appointment (date, time);

create index if not exists idx_invoice_status_due on invoice (status, due_date);

select 'only ' || count(*) || ' indexes came again' as fault
from sqlite_master as m
where m.type = 'index' and m.name like 'idx!_%' escape '!'
having count(*) <> 18
"""
---*/
-- The real tables are not touched: temporary ones of their names stand before them, empty, with all that they have.
create temporary table contact (like public.contact including all) on commit drop;

create temporary table conversation (like public.conversation including all) on commit drop;

create temporary table activity (like public.activity including all) on commit drop;

create temporary table webhook_event (like public.webhook_event including all) on commit drop;

create temporary table campaign_membership (like public.campaign_membership including all) on commit drop;

create temporary table contact_flag (like public.contact_flag including all) on commit drop;

create temporary table appointment (like public.appointment including all) on commit drop;

create temporary table invoice (like public.invoice including all) on commit drop;

create temporary table probe_migration (index_name text, making text) on commit drop;

insert into probe_migration
values
    ('idx_activity_openphone_id', 'on activity (openphone_id) where openphone_id is not null'),
    ('idx_webhook_event_processed', 'on webhook_event (processed, created_at)'),
    ('idx_webhook_event_id', 'on webhook_event (event_id)'),
    ('idx_campaign_membership_status', 'on campaign_membership (campaign_id, status)'),
    ('idx_campaign_membership_sent', 'on campaign_membership (sent_at, status)'),
    ('idx_contact_phone_hash', 'on contact using hash (phone)'),
    ('idx_contact_first_name', 'on contact (first_name)'),
    ('idx_contact_last_name', 'on contact (last_name)'),
    ('idx_contact_email', 'on contact (email)'),
    ('idx_contact_flag_type_phone', 'on contact_flag (contact_id) where flag_type = ''opted_out'''),
    ('idx_activity_conversation_created', 'on activity (conversation_id, created_at)'),
    ('idx_activity_type_created', 'on activity (activity_type, created_at)'),
    ('idx_activity_user', 'on activity (user_id, created_at)'),
    ('idx_activity_contact', 'on activity (contact_id, created_at)'),
    ('idx_conversation_phone_number_id', 'on conversation (phone_number_id)'),
    ('idx_conversation_contact', 'on conversation (contact_id)'),
    ('idx_appointment_date', 'on appointment (date, time)'),
    ('idx_invoice_status_due', 'on invoice (status, due_date)');

create temporary table probe_counts (step integer, indexes bigint) on commit drop;

do $$
declare
    one record;
begin
    for step in 1..3 loop
        for one in select m.index_name, m.making from probe_migration as m loop
            if step = 2 then
                execute 'drop index pg_temp.' || one.index_name;
            else
                execute 'create index ' || one.index_name || ' ' || one.making;
            end if;
        end loop;
        insert into probe_counts
        select step, count(*)
        from probe_migration as m
        join pg_catalog.pg_class as c on c.relname = m.index_name
        join pg_catalog.pg_index as x on x.indexrelid = c.oid
        where c.relnamespace = pg_catalog.pg_my_temp_schema() and x.indisvalid and not x.indisunique;
    end loop;
end
$$;

select w.said || ': ' || c.indexes::text || ' indexes instead of ' || w.indexes::text as fault
from (values (1, 'upgrade', 18), (2, 'downgrade', 0), (3, 'upgrade again', 18)) as w (step, said, indexes)
left join probe_counts as c using (step)
where c.indexes is distinct from w.indexes
order by w.step;
