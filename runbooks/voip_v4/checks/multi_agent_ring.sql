/*---
title = "Multi-agent ring: of several agents who pick up at once, one gets the call"
writes = true
rival = """
insert into call_claims (twilio_call_sid, organization_id, claimed_by)
select 'CAprobe-multi-agent-ring', u.organization_id, u.id
from voip_users as u
order by u.organization_id, u.id desc
limit 1
on conflict do nothing
returning claimed_by
"""
---*/
-- All telephones of the organisation ring; its first agent and its last one pick up, the first a little sooner.
create temporary table probe_ring on commit drop as
select u.organization_id as org, o.phone_number,
    (array_agg(u.id order by u.id))[1] as winner,
    (array_agg(u.id order by u.id desc))[1] as loser
from voip_users as u
join organizations as o on o.id = u.organization_id
group by u.organization_id, o.phone_number
order by u.organization_id
limit 1;

insert into calls (organization_id, twilio_call_sid, direction, from_number, to_number, status)
select p.org, 'CAprobe-multi-agent-ring', 'inbound', '+19005550126', p.phone_number, 'ringing'
from probe_ring as p;

insert into active_calls (organization_id, call_id, twilio_call_sid, status)
select c.organization_id, c.id, c.twilio_call_sid, 'ringing'
from calls as c
where c.twilio_call_sid = 'CAprobe-multi-agent-ring';

insert into ring_events (organization_id, call_id, agent_id, event_type)
select c.organization_id, c.id, u.id, 'ring'
from calls as c
join voip_users as u on u.organization_id = c.organization_id
where c.twilio_call_sid = 'CAprobe-multi-agent-ring';

-- Whoever inserts the claim has the call. The second claim must go nowhere, whether it comes after the first,
-- as here, or while the first is not committed yet, as the rival's does from a session of its own.
insert into call_claims (twilio_call_sid, organization_id, claimed_by)
select 'CAprobe-multi-agent-ring', p.org, p.winner
from probe_ring as p
on conflict do nothing;

insert into call_claims (twilio_call_sid, organization_id, claimed_by)
select 'CAprobe-multi-agent-ring', p.org, p.loser
from probe_ring as p
on conflict do nothing;

-- The application's update for each of the two: it reaches the call only with the claim in hand.
update calls as c
set status = 'in-progress', assigned_to = p.winner, answered_by_user_id = p.winner, answered_at = c.created_at + interval '5 seconds'
from probe_ring as p
join call_claims as m on m.twilio_call_sid = 'CAprobe-multi-agent-ring' and m.claimed_by = p.winner
where c.twilio_call_sid = m.twilio_call_sid and c.status = 'ringing';

update calls as c
set status = 'in-progress', assigned_to = p.loser, answered_by_user_id = p.loser, answered_at = c.created_at + interval '5 seconds'
from probe_ring as p
join call_claims as m on m.twilio_call_sid = 'CAprobe-multi-agent-ring' and m.claimed_by = p.loser
where c.twilio_call_sid = m.twilio_call_sid and c.status = 'ringing';

update active_calls as a
set status = 'connected', agent_id = c.answered_by_user_id
from calls as c
where c.id = a.call_id and c.twilio_call_sid = 'CAprobe-multi-agent-ring';

insert into ring_events (organization_id, call_id, agent_id, event_type)
select c.organization_id, c.id, u.id, case when u.id = c.answered_by_user_id then 'answer' else 'cancel' end
from calls as c
join voip_users as u on u.organization_id = c.organization_id
where c.twilio_call_sid = 'CAprobe-multi-agent-ring';

select 'nothing to try it with: no organisation has an agent' as fault
where not exists (select from probe_ring)
union all
select 'the call is claimed ' || count(m.twilio_call_sid)::text || ' times, not once by the agent who was first'
from probe_ring as p
left join call_claims as m on m.twilio_call_sid = 'CAprobe-multi-agent-ring'
having count(m.twilio_call_sid) <> 1 or bool_and(m.claimed_by = p.winner) is not true
union all
select 'the call was answered by ' || coalesce(c.answered_by_user_id::text, 'nobody')
from probe_ring as p
left join calls as c on c.twilio_call_sid = 'CAprobe-multi-agent-ring' and c.organization_id = p.org
where c.answered_by_user_id is distinct from p.winner or c.assigned_to is distinct from p.winner
union all
select 'the active call is with ' || coalesce(a.agent_id::text, 'nobody')
from probe_ring as p
left join active_calls as a on a.twilio_call_sid = 'CAprobe-multi-agent-ring'
where a.agent_id is distinct from p.winner or a.status is distinct from 'connected'
union all
select 'the telephone of agent ' || u.id::text || ' was told: ' || coalesce(string_agg(e.event_type, ', ' order by e.id), 'nothing')
from probe_ring as p
join voip_users as u on u.organization_id = p.org
left join (
    select r.id, r.agent_id, r.event_type
    from ring_events as r
    join calls as c on c.id = r.call_id
    where c.twilio_call_sid = 'CAprobe-multi-agent-ring'
) as e on e.agent_id = u.id
group by u.id, p.winner
having string_agg(e.event_type, ', ' order by e.id) is distinct from case when u.id = p.winner then 'ring, answer' else 'ring, cancel' end;
