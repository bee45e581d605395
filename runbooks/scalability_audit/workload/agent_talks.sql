/*---
title = "When an agent began to talk, over thirty days"
order = "changed_at desc, id"
harmless = ["now"]

[binds]
common = """
select c.agent_id as agent, max(c.changed_at) as now
from agent_status_changes as c
group by c.agent_id
order by count(*) desc, c.agent_id
limit 2
"""
absent = """
select '00000000-0000-0000-0000-000000000000'::uuid as agent, max(c.changed_at) as now
from agent_status_changes as c
"""
---*/
select c.id, c.session_id, c.from_status, c.reason, c.changed_at
from agent_status_changes as c
where c.agent_id = :'agent'::uuid
    and c.to_status = 'in_call'
    and c.changed_at >= :'now'::timestamptz - interval '30 days'
    and c.changed_at <= :'now'::timestamptz
order by c.changed_at desc, c.id;
