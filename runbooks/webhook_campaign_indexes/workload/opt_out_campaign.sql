/*---
title = "Campaign send: the next hundred members who have not opted out"
order = "id"
weight = 2

[binds]
common = """
select m.campaign_id as campaign
from campaign_membership as m
where m.status = 'pending'
group by m.campaign_id
order by count(*) desc, m.campaign_id
limit 2
"""
absent = "select min(c.id) as campaign from campaign as c"

[sqlite]
# NOT EXISTS reads all flags for every member there, which took 14 to more than 30 seconds at scale 1 without an index
query = """
select m.id, m.contact_id
from campaign_membership as m
where m.campaign_id = :campaign
    and m.status = 'pending'
    and m.contact_id not in (select f.contact_id from contact_flag as f where f.flag_type = 'opted_out')
order by m.id
limit 100
"""
---*/
select m.id, m.contact_id
from campaign_membership as m
where m.campaign_id = cast(:'campaign' as integer)
    and m.status = 'pending'
    and not exists (
        select 1
        from contact_flag as f
        where f.contact_id = m.contact_id and f.flag_type = 'opted_out'
    )
order by m.id
limit 100;
