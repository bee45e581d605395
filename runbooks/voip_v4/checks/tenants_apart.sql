/*---
title = "No row points into another organisation"
---*/
-- The foreign keys prove that the other row exists, not that it belongs to the same tenant.
select 'calls' as table_name, c.id::text as row, 'assigned_to or answered_by_user_id' as points_out
from calls as c
left join voip_users as a on a.id = c.assigned_to
left join voip_users as b on b.id = c.answered_by_user_id
where a.organization_id <> c.organization_id or b.organization_id <> c.organization_id
union all
select 'call_claims', m.twilio_call_sid, 'claimed_by'
from call_claims as m
join voip_users as u on u.id = m.claimed_by
where u.organization_id <> m.organization_id
union all
select 'active_calls', a.id::text, 'call_id or twilio_call_sid'
from active_calls as a
join calls as c on c.id = a.call_id
where c.organization_id <> a.organization_id or c.twilio_call_sid is distinct from a.twilio_call_sid
union all
select 'sms_conversations', v.id::text, 'contact_id'
from sms_conversations as v
join contacts as k on k.id = v.contact_id
where k.organization_id <> v.organization_id
union all
select 'sms_messages', m.id::text, 'conversation_id'
from sms_messages as m
join sms_conversations as v on v.id = m.conversation_id
where v.organization_id <> m.organization_id
order by table_name, row;
