/*---
title = "Dashboard: how far a campaign is, by status"
order = "status"

[binds]
common = """
select m.campaign_id as campaign
from campaign_membership as m
group by m.campaign_id
order by count(*) desc, m.campaign_id
limit 1
"""
rare = """
select m.campaign_id as campaign
from campaign_membership as m
group by m.campaign_id
order by count(*), m.campaign_id
limit 1
"""
---*/
select status, count(*) as members, max(sent_at) as newest
from campaign_membership
where campaign_id = cast(:'campaign' as integer)
group by status
order by status;
