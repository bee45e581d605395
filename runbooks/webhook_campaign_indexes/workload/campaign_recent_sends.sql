/*---
title = "Campaign: what was sent within the hour"
order = "sent_at desc, id"
harmless = ["now", "status"]
weight = 2

[binds]
common = """
select m.status, max(m.sent_at) as now
from campaign_membership as m
where m.status = 'sent'
group by m.status
"""
rare = """
select m.status, max(m.sent_at) as now
from campaign_membership as m
where m.status = 'failed'
group by m.status
"""
absent = "select 'sent' as status, max(m.sent_at) + interval '1 year' as now from campaign_membership as m"

[sqlite]
query = """
select id, campaign_id, contact_id, sent_at
from campaign_membership
where sent_at > datetime(:now, '-1 hour') and status = :status
order by sent_at desc
"""
binds.absent = "select 'sent' as status, datetime(max(m.sent_at), '1 year') as now from campaign_membership as m"
---*/
select id, campaign_id, contact_id, sent_at
from campaign_membership
where sent_at > :'now'::timestamp - interval '1 hour' and status = cast(:'status' as text)
order by sent_at desc;
