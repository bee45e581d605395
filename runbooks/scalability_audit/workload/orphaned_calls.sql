/*---
title = "The calls to take up again after a restart of the server: talked on within the last ten minutes, and not ended"
order = "last_heartbeat_at desc, id"
harmless = ["now"]
weight = 0.5

[binds]
common = """
select max(c.created_at) as now
from call_logs as c
"""
absent = """
select max(c.created_at) + interval '1 day' as now
from call_logs as c
"""
---*/
select c.id, c.agent_id, c.visitor_id, c.organization_id, c.page_url, c.reconnect_token, c.last_heartbeat_at
from call_logs as c
where c.status = 'accepted'
    and c.reconnect_eligible = true
    and c.ended_at is null
    and c.last_heartbeat_at >= :'now'::timestamptz - interval '10 minutes'
order by c.last_heartbeat_at desc, c.id;
