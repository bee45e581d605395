/*---
title = "Receive an inbound call: the caller is recognised, telephones ring, one answers"
writes = true
---*/
create temporary table probe_inbound on commit drop as
select u.id as agent, u.organization_id as org, o.phone_number, to_jsonb(u) as counters
from voip_users as u
join organizations as o on o.id = u.organization_id
order by u.organization_id, u.id
limit 1;

-- The caller is a contact twice, where the older one counts, and one of another organisation, where there is another.
insert into contacts (organization_id, first_name, phone, created_at)
select p.org, n.first_name, '+19005550124', n.created_at
from probe_inbound as p
cross join (
    values
        ('Probe, younger', timestamptz '1970-01-02 00:00:00+00'),
        ('Probe, older', timestamptz '1970-01-01 12:00:00+00')
) as n (first_name, created_at);

insert into contacts (organization_id, first_name, phone, created_at)
select o.id, 'Probe, another''s', '+19005550124', timestamptz '1970-01-01 00:00:00+00'
from probe_inbound as p
join organizations as o on o.id <> p.org
order by o.id
limit 1;

-- The webhook: whose number was called, and who calls?
create temporary table probe_inbound_caller on commit drop as
select k.id, k.organization_id, k.first_name
from contacts as k
where k.organization_id = (select p.org from probe_inbound as p) and k.phone = '+19005550124'
order by k.created_at, k.id
limit 1;

insert into calls (organization_id, twilio_call_sid, direction, from_number, to_number, status)
select p.org, 'CAprobe-inbound-call', 'inbound', '+19005550124', p.phone_number, 'ringing'
from probe_inbound as p;

insert into active_calls (organization_id, call_id, twilio_call_sid, status)
select c.organization_id, c.id, c.twilio_call_sid, 'ringing'
from calls as c
where c.twilio_call_sid = 'CAprobe-inbound-call';

insert into ring_events (organization_id, call_id, agent_id, event_type)
select c.organization_id, c.id, u.id, 'ring'
from calls as c
join voip_users as u on u.organization_id = c.organization_id
where c.twilio_call_sid = 'CAprobe-inbound-call';

-- One agent picks up; the other telephones stop.
insert into call_claims (twilio_call_sid, organization_id, claimed_by)
select 'CAprobe-inbound-call', p.org, p.agent
from probe_inbound as p
on conflict (twilio_call_sid) do nothing;

update calls as c
set status = 'in-progress', assigned_to = m.claimed_by, answered_by_user_id = m.claimed_by,
    answered_at = c.created_at + interval '6 seconds'
from call_claims as m
where c.twilio_call_sid = 'CAprobe-inbound-call' and m.twilio_call_sid = c.twilio_call_sid and c.status = 'ringing';

update active_calls as a
set status = 'connected', agent_id = c.answered_by_user_id
from calls as c
where c.id = a.call_id and c.twilio_call_sid = 'CAprobe-inbound-call';

insert into ring_events (organization_id, call_id, agent_id, event_type)
select c.organization_id, c.id, u.id, case when u.id = c.answered_by_user_id then 'answer' else 'cancel' end
from calls as c
join voip_users as u on u.organization_id = c.organization_id
where c.twilio_call_sid = 'CAprobe-inbound-call';

select increment_call_counters(p.agent, 'inbound')
from probe_inbound as p;

select 'nothing to try it with: no organisation has an agent' as fault
where not exists (select from probe_inbound)
union all
select 'the caller is taken for ' || coalesce(k.first_name, 'a stranger')
from probe_inbound as p
left join probe_inbound_caller as k on true
where k.first_name is distinct from 'Probe, older' or k.organization_id is distinct from p.org
union all
select 'the call is recorded ' || count(c.id)::text || ' times as answered by the agent, not once'
from probe_inbound as p
left join calls as c on c.twilio_call_sid = 'CAprobe-inbound-call' and c.organization_id = p.org
    and c.answered_by_user_id = p.agent and c.status = 'in-progress'
having count(c.id) <> 1
union all
select 'the call is an active, connected one ' || count(a.id)::text || ' times, not once'
from probe_inbound as p
left join active_calls as a on a.twilio_call_sid = 'CAprobe-inbound-call' and a.agent_id = p.agent and a.status = 'connected'
having count(a.id) <> 1
union all
select 'the telephone of agent ' || u.id::text || ' was told: ' || coalesce(string_agg(e.event_type, ', ' order by e.id), 'nothing')
from probe_inbound as p
join voip_users as u on u.organization_id = p.org
left join (
    select r.id, r.agent_id, r.event_type
    from ring_events as r
    join calls as c on c.id = r.call_id
    where c.twilio_call_sid = 'CAprobe-inbound-call'
) as e on e.agent_id = u.id
group by u.id, p.agent
having string_agg(e.event_type, ', ' order by e.id) is distinct from case when u.id = p.agent then 'ring, answer' else 'ring, cancel' end
union all
select b.key || ' went from ' || b.value || ' to ' || coalesce(a.value, 'nothing')
from probe_inbound as p
join voip_users as u on u.id = p.agent
cross join jsonb_each_text(p.counters) as b
left join jsonb_each_text(to_jsonb(u)) as a on a.key = b.key
where b.key like '%\_calls\_%'
    and a.value::integer - b.value::integer is distinct from case when b.key like 'outbound%' then 0 else 1 end;
