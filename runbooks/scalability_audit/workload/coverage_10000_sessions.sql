/*---
title = "Coverage by hour over thirty days, of the organisation whose sessions in them are nearest to 10,000"
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
order by abs(count(*) - 10000), s.organization_id
limit 1
"""
---*/
-- "At 10K sessions, it's 7.2M iterations." There are 10,000 from scale 1 on; below it, fewer by the same factor.
select c.hour, c.agent_minutes, c.average_agents
from hourly_coverage(:'org'::uuid, :'from_day'::date, :'to_day'::date, 'UTC', :'now'::timestamptz) as c
order by c.hour;
