/*---
title = "Send an SMS, and a second one, and receive the reply: one conversation holds them all"
writes = true
---*/
create temporary table probe_sms on commit drop as
select u.id as agent, u.organization_id as org, o.phone_number
from voip_users as u
join organizations as o on o.id = u.organization_id
order by u.organization_id, u.id
limit 1;

insert into contacts (organization_id, first_name, phone)
select p.org, 'Probe', '+19005550125'
from probe_sms as p;

-- No constraint keeps a number from having two conversations: the application looks for one before it opens one.
insert into sms_conversations (organization_id, contact_id, contact_phone_number)
select p.org, k.id, k.phone
from probe_sms as p
join contacts as k on k.organization_id = p.org and k.phone = '+19005550125'
where not exists (
    select from sms_conversations as v
    where v.organization_id = p.org and v.contact_phone_number = '+19005550125'
)
limit 1;

insert into sms_messages (organization_id, conversation_id, twilio_message_sid, direction, from_number, to_number, body, status, sent_by,
    created_at)
select p.org, v.id, 'SMprobe-1', 'outbound', p.phone_number, v.contact_phone_number, 'Your order is ready.', 'queued', p.agent,
    timestamptz '2100-01-01 00:00:00+00'
from probe_sms as p
join sms_conversations as v on v.organization_id = p.org and v.contact_phone_number = '+19005550125';

insert into sms_message_events (message_id, event_type)
select m.id, 'queued'
from sms_messages as m
join sms_conversations as v on v.id = m.conversation_id
where v.contact_phone_number = '+19005550125' and m.twilio_message_sid = 'SMprobe-1';

update sms_conversations as v
set last_message_at = m.created_at, last_message_preview = left(m.body, 80), updated_at = m.created_at
from sms_messages as m
where m.conversation_id = v.id and v.contact_phone_number = '+19005550125' and m.twilio_message_sid = 'SMprobe-1';

-- Twilio reports the delivery.
update sms_messages as m
set status = 'delivered'
from sms_conversations as v
where v.id = m.conversation_id and v.contact_phone_number = '+19005550125' and m.twilio_message_sid = 'SMprobe-1';

insert into sms_message_events (message_id, event_type)
select m.id, 'delivered'
from sms_messages as m
join sms_conversations as v on v.id = m.conversation_id
where v.contact_phone_number = '+19005550125' and m.twilio_message_sid = 'SMprobe-1';

-- The second message finds the conversation that the first one opened.
insert into sms_conversations (organization_id, contact_phone_number)
select p.org, '+19005550125'
from probe_sms as p
where not exists (
    select from sms_conversations as v
    where v.organization_id = p.org and v.contact_phone_number = '+19005550125'
);

insert into sms_messages (organization_id, conversation_id, twilio_message_sid, direction, from_number, to_number, body, status, sent_by,
    created_at)
select p.org, v.id, 'SMprobe-2', 'outbound', p.phone_number, v.contact_phone_number, 'We are open until six.', 'queued', p.agent,
    timestamptz '2100-01-01 00:01:00+00'
from probe_sms as p
join sms_conversations as v on v.organization_id = p.org and v.contact_phone_number = '+19005550125';

-- The reply comes in by number as well.
insert into sms_messages (organization_id, conversation_id, twilio_message_sid, direction, from_number, to_number, body, status, created_at)
select p.org, v.id, 'SMprobe-3', 'inbound', v.contact_phone_number, p.phone_number, 'Thank you!', 'received',
    timestamptz '2100-01-01 00:02:00+00'
from probe_sms as p
join sms_conversations as v on v.organization_id = p.org and v.contact_phone_number = '+19005550125';

update sms_conversations as v
set last_message_at = m.created_at, last_message_preview = left(m.body, 80), unread_count = v.unread_count + 1, updated_at = m.created_at
from sms_messages as m
where m.conversation_id = v.id and v.contact_phone_number = '+19005550125' and m.twilio_message_sid = 'SMprobe-3';

with listed as (
    select v.id, v.contact_id, v.contact_phone_number, v.last_message_at, v.last_message_preview, v.unread_count, k.first_name
    from sms_conversations as v
    left join contacts as k on k.id = v.contact_id
    where v.organization_id = (select p.org from probe_sms as p)
    order by v.last_message_at desc, v.id desc
    limit 100
)
select 'nothing to try it with: no organisation has an agent' as fault
where not exists (select from probe_sms)
union all
select 'the number has ' || count(v.id)::text || ' conversations, not one'
from probe_sms as p
left join sms_conversations as v on v.organization_id = p.org and v.contact_phone_number = '+19005550125'
having count(v.id) <> 1
union all
select 'the conversation holds ' || coalesce(string_agg(m.body, ' / ' order by m.created_at), 'nothing')
from probe_sms as p
left join sms_conversations as v on v.organization_id = p.org and v.contact_phone_number = '+19005550125'
left join sms_messages as m on m.conversation_id = v.id
having string_agg(m.body, ' / ' order by m.created_at)
    is distinct from 'Your order is ready. / We are open until six. / Thank you!'
union all
select 'the first message''s delivery reads ' || coalesce(string_agg(e.event_type, ', ' order by e.id), 'nothing')
from sms_conversations as v
join sms_messages as m on m.conversation_id = v.id and m.twilio_message_sid = 'SMprobe-1'
left join sms_message_events as e on e.message_id = m.id
where v.contact_phone_number = '+19005550125'
having string_agg(e.event_type, ', ' order by e.id) is distinct from 'queued, delivered'
union all
select 'the list of conversations does not show it with its contact, its last message, and as unread'
from probe_sms as p
where not exists (
    select from listed as s
    where s.contact_phone_number = '+19005550125' and s.first_name = 'Probe' and s.last_message_preview = 'Thank you!'
        and s.last_message_at = timestamptz '2100-01-01 00:02:00+00' and s.unread_count = 1
);
