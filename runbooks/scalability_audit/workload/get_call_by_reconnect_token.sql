/*---
title = "The call that a visitor comes back to, by its reconnect token"
weight = 7

[binds]
common = """
select c.reconnect_token as token
from call_logs as c
where c.reconnect_token is not null
    and c.status = 'accepted'
    and c.reconnect_eligible
    and c.ended_at is null
order by c.created_at desc, c.id
limit 4
"""
rare = """
select c.reconnect_token as token
from call_logs as c
where c.reconnect_token is not null
    and c.status = 'completed'
order by c.created_at desc, c.id
limit 2
"""
absent = "select 'rt_of_no_call' as token"
---*/
-- getCallByReconnectToken(), with the report's conditions. Written as values, as here, they fit the partial index of the
-- migration; sent as parameters they fit it in plans that are made anew for each call, not in a generic one.
select c.id, c.agent_id, c.visitor_id, c.organization_id, c.page_url, c.reconnect_token, c.answered_at, c.last_heartbeat_at
from call_logs as c
where c.reconnect_token = :'token'::text
    and c.status = 'accepted'
    and c.reconnect_eligible = true
    and c.ended_at is null;
