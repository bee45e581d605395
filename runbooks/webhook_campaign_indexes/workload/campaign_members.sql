/*---
title = "Campaign: the members of one status"
order = "id"
harmless = ["status"]
weight = 2

[binds]
common = """
select m.campaign_id as campaign, m.status
from campaign_membership as m
group by m.campaign_id, m.status
order by count(*) desc, m.campaign_id, m.status
limit 1
"""
rare = """
select m.campaign_id as campaign, m.status
from campaign_membership as m
group by m.campaign_id, m.status
order by count(*), m.campaign_id, m.status
limit 2
"""
absent = "select max(c.id) as campaign, 'bounced' as status from campaign as c"
---*/
select id, contact_id, sent_at
from campaign_membership
where campaign_id = cast(:'campaign' as integer) and status = cast(:'status' as text);
