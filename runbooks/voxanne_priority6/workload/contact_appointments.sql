/*---
title = "Appointments by contact"
order = "scheduled_at desc, id"
weight = 2

[binds]
common = """
select a.org_id as org, a.contact_id as contact
from appointments as a
group by a.org_id, a.contact_id
order by count(*) desc, a.org_id, a.contact_id
limit 3
"""
rare = """
select a.org_id as org, a.contact_id as contact
from appointments as a
group by a.org_id, a.contact_id
order by count(*), a.org_id, a.contact_id
limit 2
"""
absent = """
select a.org_id as org, '00000000-0000-0000-0000-000000000000'::uuid as contact
from appointments as a
group by a.org_id
order by count(*) desc, a.org_id
limit 1
"""
---*/
select *
from appointments
where org_id = :'org'::uuid and contact_id = :'contact'::uuid
order by scheduled_at desc;
