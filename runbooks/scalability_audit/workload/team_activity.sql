/*---
title = "How long an organisation's agents were idle, talking and away over thirty days"
harmless = ["now"]
weight = 2

[binds]
common = """
select s.organization_id as org, max(s.started_at) as now
from agent_sessions as s
group by s.organization_id
order by count(*) desc, s.organization_id
limit 2
"""
absent = """
select '00000000-0000-0000-0000-000000000000'::uuid as org, max(s.started_at) as now
from agent_sessions as s
"""
---*/
select
    count(*) as sessions, sum(s.idle_seconds) as idle_seconds, sum(s.in_call_seconds) as in_call_seconds,
    sum(s.away_seconds) as away_seconds
from agent_sessions as s
where s.organization_id = :'org'::uuid
    and s.started_at >= :'now'::timestamptz - interval '30 days'
    and s.started_at <= :'now'::timestamptz;
