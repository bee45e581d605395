/*---
title = "The calls of an organisation over thirty days with agent, site and disposition, at most five hundred"
order = "created_at desc, id desc"
harmless = ["now"]
weight = 4

[binds]
common = """
select c.organization_id as org, max(c.created_at) as now
from call_logs as c
group by c.organization_id
order by count(*) desc, c.organization_id
limit 2
"""
rare = """
select c.organization_id as org, max(c.created_at) as now
from call_logs as c
group by c.organization_id
order by count(*), c.organization_id
limit 1
"""
absent = """
select '00000000-0000-0000-0000-000000000000'::uuid as org, max(c.created_at) as now
from call_logs as c
"""
---*/
-- admin/calls/page.tsx: one statement with its relations embedded, not one for each call.
select
    c.id, c.status, c.page_url, c.created_at, c.answered_at, c.ended_at, c.duration_seconds, c.recording_url,
    c.visitor_country_code,
    a.id as agent_id, a.display_name as agent_name,
    s.id as site_id, s.name as site_name, s.domain as site_domain,
    d.id as disposition_id, d.name as disposition_name, d.color as disposition_color
from call_logs as c
left join agent_profiles as a on a.id = c.agent_id
left join sites as s on s.id = c.site_id
left join dispositions as d on d.id = c.disposition_id
where c.organization_id = :'org'::uuid
    and c.created_at >= :'now'::timestamptz - interval '30 days'
    and c.created_at <= :'now'::timestamptz
order by c.created_at desc, c.id desc
limit 500;
