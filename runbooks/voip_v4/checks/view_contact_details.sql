/*---
title = "View contact details: the contact's calls, conversation and messages, and nobody else's"
writes = true
---*/
create temporary table probe_details on commit drop as
select u.organization_id as org, o.phone_number, timestamptz '2100-01-01 00:00:00+00' as now
from voip_users as u
join organizations as o on o.id = u.organization_id
order by u.organization_id, u.id
limit 1;

insert into contacts (organization_id, first_name, phone)
select p.org, 'Probe', '+19005550130'
from probe_details as p;

-- A call each way, one with somebody else, and one of another organisation with the same number.
insert into calls (organization_id, twilio_call_sid, direction, from_number, to_number, status, created_at)
select p.org, 'CAprobe-details-1', 'inbound', '+19005550130', p.phone_number, 'completed', p.now
from probe_details as p
union all
select p.org, 'CAprobe-details-2', 'outbound', p.phone_number, '+19005550130', 'no-answer', p.now + interval '1 minute'
from probe_details as p
union all
select p.org, 'CAprobe-details-3', 'inbound', '+19005550131', p.phone_number, 'completed', p.now
from probe_details as p
union all
(
    select o.id, 'CAprobe-details-4', 'inbound', '+19005550130', o.phone_number, 'completed', p.now
    from probe_details as p
    join organizations as o on o.id <> p.org
    order by o.id
    limit 1
);

insert into sms_conversations (organization_id, contact_id, contact_phone_number, last_message_at)
select k.organization_id, k.id, k.phone, p.now
from probe_details as p
join contacts as k on k.organization_id = p.org and k.phone = '+19005550130'
union all
(
    select o.id, null, '+19005550130', p.now
    from probe_details as p
    join organizations as o on o.id <> p.org
    order by o.id
    limit 1
);

insert into sms_messages (organization_id, conversation_id, twilio_message_sid, direction, from_number, to_number, body, status, created_at)
select v.organization_id, v.id, 'SMprobe-details', 'inbound', v.contact_phone_number, o.phone_number,
    case when v.organization_id = p.org then 'Own' else 'Another''s' end, 'received', p.now
from probe_details as p
join sms_conversations as v on v.contact_phone_number = '+19005550130'
join organizations as o on o.id = v.organization_id;

-- The page, as the application asks for it, for the probe's contact and for the one with the most calls in.
create temporary table probe_details_contact on commit drop as
select k.organization_id as org, k.id, k.phone
from probe_details as p
join contacts as k on k.organization_id = p.org and k.phone = '+19005550130'
union all
(
    select k.organization_id, k.id, k.phone
    from probe_details as p
    join contacts as k on k.organization_id = p.org and k.phone <> '+19005550130'
    join calls as c on c.organization_id = k.organization_id and c.from_number = k.phone
    group by k.id
    order by count(*) desc, k.id
    limit 1
);

create temporary table probe_details_page on commit drop as
select t.id as contact_id, 'call' as kind, c.id, c.twilio_call_sid as shown
from probe_details_contact as t
join calls as c on c.organization_id = t.org and (c.from_number = t.phone or c.to_number = t.phone)
union all
select t.id, 'conversation', v.id, v.contact_phone_number
from probe_details_contact as t
join sms_conversations as v on v.organization_id = t.org and v.contact_phone_number = t.phone
union all
select t.id, 'message', m.id, m.body
from probe_details_contact as t
join sms_conversations as v on v.organization_id = t.org and v.contact_phone_number = t.phone
join sms_messages as m on m.conversation_id = v.id;

-- The same by other means: each direction by itself, and messages by their own numbers.
with expected as (
    select t.id as contact_id, 'call' as kind, c.id
    from probe_details_contact as t
    join calls as c on c.from_number = t.phone
    where c.organization_id = t.org
    union
    select t.id, 'call', c.id
    from probe_details_contact as t
    join calls as c on c.to_number = t.phone
    where c.organization_id = t.org
    union all
    select t.id, 'message', m.id
    from probe_details_contact as t
    join sms_messages as m on case when m.direction = 'inbound' then m.from_number else m.to_number end = t.phone
    where m.organization_id = t.org
)
select 'nothing to try it with: no organisation has an agent' as fault
where not exists (select from probe_details)
union all
select e.kind || ' ' || e.id::text || ' is missing on the page of contact ' || e.contact_id::text
from expected as e
where not exists (select from probe_details_page as s where s.contact_id = e.contact_id and s.kind = e.kind and s.id = e.id)
union all
select s.kind || ' ' || s.id::text || ' does not belong on the page of contact ' || s.contact_id::text
from probe_details_page as s
where s.kind <> 'conversation'
    and not exists (select from expected as e where e.contact_id = s.contact_id and e.kind = s.kind and e.id = s.id)
union all
select 'the probe''s contact shows: ' || coalesce(string_agg(s.shown, ', ' order by s.kind, s.shown), 'nothing')
from probe_details_contact as t
left join probe_details_page as s on s.contact_id = t.id
where t.phone = '+19005550130'
having string_agg(s.shown, ', ' order by s.kind, s.shown) is distinct from 'CAprobe-details-1, CAprobe-details-2, +19005550130, Own';
