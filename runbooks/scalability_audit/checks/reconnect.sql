/*---
title = "A visitor comes back to a call by its token: found while the call lasts, once, and not with the old token afterwards"
writes = true
---*/
create temporary table probe_reconnect on commit drop as
select a.organization_id as org, a.id as agent
from agent_profiles as a
order by a.organization_id, a.id
limit 1;

create temporary table probe_reconnect_found (step text, token text, calls bigint) on commit drop;

insert into call_logs (organization_id, agent_id, visitor_id, status, page_url, ring_started_at)
select p.org, p.agent, 'probe-reconnect', 'pending', 'https://probe.example/', now()
from probe_reconnect as p;

-- The agent answers, and the visitor is given a token. A second call of the same visitor has ended with one.
update call_logs
set status = 'accepted', answered_at = now(), last_heartbeat_at = now(), reconnect_token = 'rt_probe_first'
where visitor_id = 'probe-reconnect';

insert into call_logs (organization_id, agent_id, visitor_id, status, page_url, answered_at, ended_at, reconnect_token)
select p.org, p.agent, 'probe-reconnect', 'completed', 'https://probe.example/', now(), now(), 'rt_probe_ended'
from probe_reconnect as p;

insert into probe_reconnect_found
select 'the connection breaks off', t.token, count(c.id)
from (values ('rt_probe_first'), ('rt_probe_ended'), ('rt_probe_unknown')) as t (token)
left join call_logs as c
    on c.reconnect_token = t.token and c.status = 'accepted' and c.reconnect_eligible = true and c.ended_at is null
group by t.token;

-- Back again: the call gets another token.
update call_logs set reconnect_token = 'rt_probe_second', last_heartbeat_at = now() where reconnect_token = 'rt_probe_first';

insert into probe_reconnect_found
select 'after the visitor came back', t.token, count(c.id)
from (values ('rt_probe_first'), ('rt_probe_second')) as t (token)
left join call_logs as c
    on c.reconnect_token = t.token and c.status = 'accepted' and c.reconnect_eligible = true and c.ended_at is null
group by t.token;

update call_logs set status = 'completed', ended_at = now() where reconnect_token = 'rt_probe_second';

insert into probe_reconnect_found
select 'after the call ended', 'rt_probe_second', count(*)
from call_logs as c
where c.reconnect_token = 'rt_probe_second' and c.status = 'accepted' and c.reconnect_eligible = true and c.ended_at is null;

select 'nothing to try it with: there is no agent' as fault
where not exists (select from probe_reconnect)
union all
select w.step || ', ' || w.token || ': ' || coalesce(f.calls::text, 'no') || ' calls instead of ' || w.calls::text
from (
    values
        ('the connection breaks off', 'rt_probe_first', 1),
        ('the connection breaks off', 'rt_probe_ended', 0),
        ('the connection breaks off', 'rt_probe_unknown', 0),
        ('after the visitor came back', 'rt_probe_first', 0),
        ('after the visitor came back', 'rt_probe_second', 1),
        ('after the call ended', 'rt_probe_second', 0)
) as w (step, token, calls)
left join probe_reconnect_found as f using (step, token)
where f.calls is distinct from w.calls;
