/*---
title = "Coverage by hour over 7, 30 and 90 days, of an organisation whose sessions all lie in the last seven"
order = "hour"
harmless = ["now", "from_day", "to_day"]
weight = 0.5

[binds]
common = """
with newest as (
    select max(s.started_at) as now, (max(s.started_at) at time zone 'UTC')::date as day
    from agent_sessions as s
),
recent as (
    select s.organization_id as org
    from agent_sessions as s
    group by s.organization_id
    having min(s.started_at) >= (select (n.day - 6)::timestamp at time zone 'UTC' from newest as n)
    order by count(*) desc, s.organization_id
    limit 1
)
select r.org, n.now, n.day - (d.days - 1) as from_day, n.day as to_day
from newest as n, recent as r, (values (7), (30), (90)) as d (days)
order by d.days
"""
---*/
-- The sessions are the same in all three: what a longer range costs more, it costs for looking at hours without any.
select c.hour, c.agent_minutes, c.average_agents
from hourly_coverage(:'org'::uuid, :'from_day'::date, :'to_day'::date, 'UTC', :'now'::timestamptz) as c
order by c.hour;
