/*---
title = "The dashboard's counters: those of the agents, and today's calls each way"
harmless = ["now"]
weight = 2

[binds]
common = """
select c.organization_id as org, max(c.created_at) as now
from calls as c
group by c.organization_id
order by count(*) desc, c.organization_id
limit 3
"""
rare = """
select c.organization_id as org, max(c.created_at) as now
from calls as c
group by c.organization_id
order by count(*), c.organization_id
limit 3
"""
absent = """
select '00000000-0000-0000-0000-000000000000'::uuid as org, max(c.created_at) as now
from calls as c
"""
---*/
select
    u.id, u.email, u.is_available,
    u.inbound_calls_daily, u.inbound_calls_weekly, u.inbound_calls_monthly, u.inbound_calls_yearly,
    u.outbound_calls_daily, u.outbound_calls_weekly, u.outbound_calls_monthly, u.outbound_calls_yearly,
    u.total_calls_daily, u.total_calls_weekly, u.total_calls_monthly, u.total_calls_yearly
from voip_users as u
where u.organization_id = :'org'::uuid
order by u.email, u.id;

-- The REST interface counts, but does not group: one request a direction.
select count(*) as inbound_today, count(c.answered_at) as answered
from calls as c
where c.organization_id = :'org'::uuid
    and c.direction = 'inbound'
    and c.created_at >= date_trunc('day', :'now'::timestamptz, 'UTC')
    and c.created_at <= :'now'::timestamptz;

select count(*) as outbound_today, count(c.answered_at) as answered
from calls as c
where c.organization_id = :'org'::uuid
    and c.direction = 'outbound'
    and c.created_at >= date_trunc('day', :'now'::timestamptz, 'UTC')
    and c.created_at <= :'now'::timestamptz;
