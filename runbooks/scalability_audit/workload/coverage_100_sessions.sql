/*---
title = "Coverage by hour over thirty days, of the organisation whose sessions in them are nearest to 100"
order = "hour"
harmless = ["now", "from_day", "to_day"]
weight = 0.5

[binds]
common = """
with newest as (
    select max(s.started_at) as now, (max(s.started_at) at time zone 'UTC')::date as day
    from agent_sessions as s
)
select s.organization_id as org, n.now, n.day - 29 as from_day, n.day as to_day
from newest as n
join agent_sessions as s
    on s.started_at < (n.day + 1)::timestamp at time zone 'UTC'
    and (s.ended_at > (n.day - 29)::timestamp at time zone 'UTC' or s.ended_at is null)
group by s.organization_id, n.now, n.day
order by abs(count(*) - 100), s.organization_id
limit 1
"""
---*/
-- "For a 30-day range with 100 sessions, this is 72,000 iterations." Before the change hourly_coverage() does them all.
select c.hour, c.agent_minutes, c.average_agents
from hourly_coverage(:'org'::uuid, :'from_day'::date, :'to_day'::date, 'UTC', :'now'::timestamptz) as c
order by c.hour;
