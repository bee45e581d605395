/*---
title = "The SMS conversations of an organisation, latest first"
order = "last_message_at desc, id desc"

[binds]
common = """
select v.organization_id as org
from sms_conversations as v
group by v.organization_id
order by count(*) desc, v.organization_id
limit 3
"""
rare = """
select v.organization_id as org
from sms_conversations as v
group by v.organization_id
order by count(*), v.organization_id
limit 3
"""
absent = "select '00000000-0000-0000-0000-000000000000'::uuid as org"
---*/
-- A conversation, unlike a call, knows its contact by key; one with a stranger shows the number.
select
    v.id, v.contact_phone_number, v.last_message_at, v.last_message_preview, v.unread_count,
    v.contact_id, k.first_name, k.last_name
from sms_conversations as v
left join contacts as k on k.id = v.contact_id
where v.organization_id = :'org'::uuid
order by v.last_message_at desc, v.id desc
limit 100;
