/*---
title = "The page of one contact: its calls, conversations and messages"
order = "created_at desc, id desc"

[binds]
common = """
select k.organization_id as org, k.id as contact, k.phone
from contacts as k
join calls as c on c.organization_id = k.organization_id and c.from_number = k.phone
join sms_conversations as v on v.contact_id = k.id
group by k.id
order by count(*) desc, k.id
limit 3
"""
rare = """
select k.organization_id as org, k.id as contact, k.phone
from contacts as k
where k.phone is not null
    and not exists (select from calls as c where c.from_number = k.phone)
    and not exists (select from calls as c where c.to_number = k.phone)
order by k.organization_id, k.id
limit 3
"""
absent = """
select o.id as org, '00000000-0000-0000-0000-000000000000'::uuid as contact, '+10005550000' as phone
from organizations as o
order by o.created_at, o.id
limit 2
"""
---*/
select k.id, k.first_name, k.last_name, k.phone, k.email, k.company, k.notes, k.created_at, k.updated_at
from contacts as k
where k.organization_id = :'org'::uuid
    and k.id = :'contact'::uuid
order by k.created_at desc, k.id desc;

select
    c.id, c.direction, c.from_number, c.to_number, c.status, c.assigned_to, c.duration_seconds, c.recording_url,
    c.created_at, c.answered_at, c.ended_at
from calls as c
where c.organization_id = :'org'::uuid
    and (c.from_number = :'phone'::text or c.to_number = :'phone'::text)
order by c.created_at desc, c.id desc
limit 100;

select v.id, v.contact_id, v.last_message_at, v.last_message_preview, v.unread_count, v.created_at
from sms_conversations as v
where v.organization_id = :'org'::uuid
    and v.contact_phone_number = :'phone'::text
order by v.created_at desc, v.id desc;

select m.id, m.conversation_id, m.direction, m.body, m.media_count, m.status, m.sent_by, m.created_at
from sms_messages as m
where m.conversation_id in (
        select v.id
        from sms_conversations as v
        where v.organization_id = :'org'::uuid
            and v.contact_phone_number = :'phone'::text
    )
order by m.created_at desc, m.id desc
limit 100;
