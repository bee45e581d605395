/*---
title = "All page views of an organisation over thirty days, from which the dashboard counts who was missed"
harmless = ["now"]
weight = 2

[binds]
common = """
select v.organization_id as org, max(v.created_at) as now
from widget_pageviews as v
group by v.organization_id
order by count(*) desc, v.organization_id
limit 2
"""
rare = """
select v.organization_id as org, max(v.created_at) as now
from widget_pageviews as v
group by v.organization_id
order by count(*), v.organization_id
limit 1
"""
absent = """
select '00000000-0000-0000-0000-000000000000'::uuid as org, max(v.created_at) as now
from widget_pageviews as v
"""
---*/
-- admin/calls/page.tsx: "Full pageview scan for coverage". The report rates it medium and recommends nothing for it.
select v.id, v.agent_id, v.created_at, v.visitor_country_code
from widget_pageviews as v
where v.organization_id = :'org'::uuid
    and v.created_at >= :'now'::timestamptz - interval '30 days'
    and v.created_at <= :'now'::timestamptz;
