/*---
title = "Each index answers the query that it is for, as EXPLAIN ANALYZE shows, and gives its order where it can"
writes = true
after_rollback = false # it tries what the migration brings
# INDEXED BY refuses a query that the index can't answer
sqlite = """
select 'idx_activity_openphone_id finds what is not there' as fault
from activity indexed by idx_activity_openphone_id where openphone_id = 'ACprobe'
union all
select 'idx_webhook_event_processed finds what is not there' as fault
from webhook_event indexed by idx_webhook_event_processed where processed = 0 and created_at > '2100-01-01'
union all
select 'idx_webhook_event_id finds what is not there' as fault
from webhook_event indexed by idx_webhook_event_id where event_id = 'EVprobe'
union all
select 'idx_campaign_membership_status finds what is not there' as fault
from campaign_membership indexed by idx_campaign_membership_status where campaign_id = 0 and status = 'pending'
union all
select 'idx_campaign_membership_sent finds what is not there' as fault
from campaign_membership indexed by idx_campaign_membership_sent where sent_at > '2100-01-01' and status = 'sent'
union all
select 'idx_contact_phone_hash finds what is not there' as fault
from contact indexed by idx_contact_phone_hash where phone = '+15550000000'
union all
select 'idx_contact_first_name finds what is not there' as fault
from contact indexed by idx_contact_first_name where first_name = 'Probe'
union all
select 'idx_contact_last_name finds what is not there' as fault
from contact indexed by idx_contact_last_name where last_name = 'Probe'
union all
select 'idx_contact_email finds what is not there' as fault
from contact indexed by idx_contact_email where email = 'probe@mail.example'
union all
select 'idx_contact_flag_type_phone finds what is not there' as fault
from contact_flag indexed by idx_contact_flag_type_phone where flag_type = 'opted_out' and contact_id = 0
union all
select 'idx_activity_conversation_created finds what is not there' as fault
from activity indexed by idx_activity_conversation_created where conversation_id = 0 and created_at > '2100-01-01'
union all
select 'idx_activity_type_created finds what is not there' as fault
from activity indexed by idx_activity_type_created where activity_type = 'call' and created_at > '2100-01-01'
union all
select 'idx_activity_user finds what is not there' as fault
from activity indexed by idx_activity_user where user_id = 'USprobe' and created_at > '2100-01-01'
union all
select 'idx_activity_contact finds what is not there' as fault
from activity indexed by idx_activity_contact where contact_id = 0 and created_at > '2100-01-01'
union all
select 'idx_conversation_phone_number_id finds what is not there' as fault
from conversation indexed by idx_conversation_phone_number_id where phone_number_id = 'PNprobe'
union all
select 'idx_conversation_contact finds what is not there' as fault
from conversation indexed by idx_conversation_contact where contact_id = 0
union all
select 'idx_appointment_date finds what is not there' as fault
from appointment indexed by idx_appointment_date where date = '2100-01-04' and time > '08:00'
union all
select 'idx_invoice_status_due finds what is not there' as fault
from invoice indexed by idx_invoice_status_due where status = 'unpaid' and due_date < '1970-01-01'
"""
---*/
-- "Monitor query performance with EXPLAIN ANALYZE to verify index usage"
create temporary table probe_questions on commit drop as
select *
from (
    values
        ('idx_activity_openphone_id', $$select * from activity where openphone_id = 'ACprobe'$$, false),
        ('idx_webhook_event_processed', $$select * from webhook_event where not processed order by created_at limit 100$$, true),
        ('idx_webhook_event_id', $$select * from webhook_event where event_id = 'EVprobe'$$, false),
        ('idx_campaign_membership_status', $$select * from campaign_membership where campaign_id = 40 and status = 'pending'$$, false),
        ('idx_campaign_membership_sent',
            $$select * from campaign_membership where sent_at > '2025-08-21' and status = 'sent' order by sent_at$$, true),
        ('idx_contact_phone_hash', $$select * from contact where phone = '+15550000000'$$, false),
        ('idx_contact_first_name', $$select * from contact where first_name = 'Probe'$$, false),
        ('idx_contact_last_name', $$select * from contact where last_name = 'Probe'$$, false),
        ('idx_contact_email', $$select * from contact where email = 'probe@mail.example'$$, false),
        ('idx_contact_flag_type_phone', $$select * from contact_flag where contact_id = 1 and flag_type = 'opted_out'$$, false),
        ('idx_activity_conversation_created', $$select * from activity where conversation_id = 1 order by created_at desc$$, true),
        ('idx_activity_type_created', $$select * from activity where activity_type = 'call' order by created_at desc limit 50$$, true),
        ('idx_activity_user', $$select * from activity where user_id = 'USprobe' order by created_at desc$$, true),
        ('idx_activity_contact', $$select * from activity where contact_id = 1 order by created_at desc$$, true),
        ('idx_conversation_phone_number_id', $$select * from conversation where phone_number_id = 'PNprobe'$$, false),
        ('idx_conversation_contact', $$select * from conversation where contact_id = 1$$, false),
        ('idx_appointment_date', $$select * from appointment where date = '2025-08-21' order by time$$, true),
        ('idx_invoice_status_due', $$select * from invoice where status = 'unpaid' and due_date < '2025-08-21' order by due_date$$, true)
) as q (wanted, asked, in_order);

create temporary table probe_plans (wanted text, plan jsonb) on commit drop;

-- Whether an index fits does not depend on how small the table is: reading it all is made dear here, and so is a bitmap, which
-- gives no order.
set local enable_seqscan = off;

set local enable_bitmapscan = off;

do $$
declare
    one record;
    answer json;
begin
    for one in select q.wanted, q.asked from probe_questions as q loop
        execute 'explain (analyze, timing off, format json) ' || one.asked into answer;
        insert into probe_plans values (one.wanted, answer::jsonb);
    end loop;
end
$$;

with recursive nodes as (
    select p.wanted, p.plan -> 0 -> 'Plan' as node
    from probe_plans as p
    union all
    select n.wanted, child.node
    from nodes as n
    cross join lateral jsonb_array_elements(coalesce(n.node -> 'Plans', '[]')) as child (node)
)
select q.wanted || ' does not answer: ' || q.asked as fault
from probe_questions as q
where not exists (
        select from nodes as n
        where n.wanted = q.wanted and n.node ->> 'Index Name' = q.wanted
            and (n.node ? 'Index Cond' or q.wanted = 'idx_contact_flag_type_phone')
    )
union all
select q.wanted || ' gives no order: ' || q.asked
from probe_questions as q
where q.in_order and exists (select from nodes as n where n.wanted = q.wanted and n.node ->> 'Node Type' = 'Sort')
order by fault;
