/*---
title = "Make an outbound call: it is recorded, talked on, ended and counted"
writes = true
---*/
create temporary table probe_outbound on commit drop as
select u.id as agent, u.organization_id as org, o.phone_number, to_jsonb(u) as counters
from voip_users as u
join organizations as o on o.id = u.organization_id
order by u.organization_id, u.id
limit 1;

-- The agent clicks on a number.
insert into calls (organization_id, twilio_call_sid, direction, from_number, to_number, status, assigned_to)
select p.org, 'CAprobe-outbound-call', 'outbound', p.phone_number, '+19005550123', 'queued', p.agent
from probe_outbound as p;

insert into active_calls (organization_id, call_id, twilio_call_sid, agent_id, status)
select c.organization_id, c.id, c.twilio_call_sid, c.assigned_to, 'ringing'
from calls as c
where c.twilio_call_sid = 'CAprobe-outbound-call';

-- Twilio reports that the other side answers, then that it hangs up.
update calls
set status = 'in-progress', answered_at = created_at + interval '4 seconds', updated_at = created_at + interval '4 seconds'
where twilio_call_sid = 'CAprobe-outbound-call' and status = 'queued';

update active_calls
set status = 'connected'
where twilio_call_sid = 'CAprobe-outbound-call';

-- What the dashboards show meanwhile.
create temporary table probe_outbound_shown on commit drop as
select a.agent_id, a.status
from active_calls as a
where a.twilio_call_sid = 'CAprobe-outbound-call';

update calls
set status = 'completed', ended_at = answered_at + interval '42 seconds', duration_seconds = 42,
    updated_at = answered_at + interval '42 seconds'
where twilio_call_sid = 'CAprobe-outbound-call' and status = 'in-progress';

delete from active_calls
where twilio_call_sid = 'CAprobe-outbound-call';

select increment_call_counters(p.agent, 'outbound')
from probe_outbound as p;

select 'nothing to try it with: no organisation has an agent' as fault
where not exists (select from probe_outbound)
union all
select 'the call is recorded ' || count(c.id)::text || ' times as completed, not once'
from probe_outbound as p
left join calls as c on c.twilio_call_sid = 'CAprobe-outbound-call' and c.organization_id = p.org and c.assigned_to = p.agent
    and c.from_number = p.phone_number and c.status = 'completed' and c.ended_at - c.answered_at = interval '42 seconds'
having count(c.id) <> 1
union all
select 'while it was talked on, the call was shown ' || count(a.agent_id)::text || ' times as connected, not once'
from probe_outbound as p
left join probe_outbound_shown as a on a.agent_id = p.agent and a.status = 'connected'
having count(a.agent_id) <> 1
union all
select 'the ended call is still an active one'
from active_calls as a
where a.twilio_call_sid = 'CAprobe-outbound-call'
union all
select b.key || ' went from ' || b.value || ' to ' || coalesce(a.value, 'nothing')
from probe_outbound as p
join voip_users as u on u.id = p.agent
cross join jsonb_each_text(p.counters) as b
left join jsonb_each_text(to_jsonb(u)) as a on a.key = b.key
where b.key like '%\_calls\_%'
    and a.value::integer - b.value::integer is distinct from case when b.key like 'inbound%' then 0 else 1 end;
