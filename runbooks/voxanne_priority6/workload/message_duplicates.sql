/*---
title = "Message duplicate prevention: has this contact had this message by this way within a day?"
order = "created_at desc, id"
harmless = ["now", "method", "purpose"]
weight = 2

[binds]
common = """
select m.org_id as org, m.contact_id as contact, m.method, max(m.purpose) as purpose, max(m.created_at) as now
from messages as m
group by m.org_id, m.contact_id, m.method
order by count(*) desc, m.org_id, m.contact_id, m.method
limit 3
"""
rare = """
select m.org_id as org, m.contact_id as contact, m.method, max(m.purpose) as purpose, max(m.created_at) as now
from messages as m
group by m.org_id, m.contact_id, m.method
order by count(*), m.org_id, m.contact_id, m.method
limit 2
"""
absent = """
select m.org_id as org, '00000000-0000-0000-0000-000000000000'::uuid as contact, 'sms' as method, 'reminder' as purpose,
    max(m.created_at) as now
from messages as m
group by m.org_id
order by count(*) desc, m.org_id
limit 1
"""
---*/
select id, created_at
from messages
where org_id = :'org'::uuid
    and contact_id = :'contact'::uuid
    and method = :'method'::text
    and purpose = :'purpose'::text
    and created_at > :'now'::timestamptz - interval '1 day'
    and created_at <= :'now'::timestamptz
order by created_at desc;
