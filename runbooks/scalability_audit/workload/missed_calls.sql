/*---
title = "The missed calls of an organisation over thirty days, latest first"
order = "created_at desc, id desc"
harmless = ["now"]
weight = 2

[binds]
common = """
select c.organization_id as org, max(c.created_at) as now
from call_logs as c
group by c.organization_id
order by count(*) desc, c.organization_id
limit 2
"""
absent = """
select '00000000-0000-0000-0000-000000000000'::uuid as org, max(c.created_at) as now
from call_logs as c
"""
---*/
select c.id, c.agent_id, c.visitor_id, c.page_url, c.created_at
from call_logs as c
where c.organization_id = :'org'::uuid
    and c.status = 'missed'
    and c.created_at >= :'now'::timestamptz - interval '30 days'
    and c.created_at <= :'now'::timestamptz
order by c.created_at desc, c.id desc
limit 100;
