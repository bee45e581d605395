/*---
title = "Call counters: two inbound calls and an outbound one count for their agent, and for nobody else"
writes = true
---*/
create temporary table probe_counters on commit drop as
select u.id as agent, to_jsonb(u) as counters
from voip_users as u;

create temporary table probe_counters_agent on commit drop as
select u.id as agent
from voip_users as u
order by u.organization_id, u.id
limit 1;

select increment_call_counters(p.agent, 'inbound')
from probe_counters_agent as p;

select increment_call_counters(p.agent, 'outbound')
from probe_counters_agent as p;

select increment_call_counters(p.agent, 'inbound')
from probe_counters_agent as p;

select null::uuid as agent, 'nothing to try it with: no organisation has an agent' as fault
where not exists (select from probe_counters_agent)
union all
select null, 'an agent has ' || count(*)::text || ' counters, not twelve'
from probe_counters as p
cross join jsonb_object_keys(p.counters) as key
where key like '%\_calls\_%'
group by p.agent
having count(*) <> 12
union all
select p.agent, b.key || ' went from ' || b.value || ' to ' || coalesce(a.value, 'nothing')
from probe_counters as p
left join voip_users as u on u.id = p.agent
cross join jsonb_each_text(p.counters) as b
left join jsonb_each_text(to_jsonb(u)) as a on a.key = b.key
where b.key like '%\_calls\_%'
    and a.value::integer - b.value::integer is distinct from case
        when p.agent <> (select g.agent from probe_counters_agent as g) then 0
        when b.key like 'inbound%' then 2
        when b.key like 'outbound%' then 1
        else 3
    end;
