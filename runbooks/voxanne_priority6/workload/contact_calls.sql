/*---
title = "Contact detail page: the calls with one telephone number"
order = "created_at desc, id"
weight = 3

[binds]
common = """
select c.org_id as org, c.phone_number as phone
from call_logs as c
group by c.org_id, c.phone_number
order by count(*) desc, c.org_id, c.phone_number
limit 3
"""
rare = """
select c.org_id as org, c.phone_number as phone
from call_logs as c
group by c.org_id, c.phone_number
order by count(*), c.org_id, c.phone_number
limit 2
"""
absent = """
select c.org_id as org, 'nobody' as phone
from call_logs as c
group by c.org_id
order by count(*) desc, c.org_id
limit 1
"""
---*/
-- The statement that the document verifies its first index with.
select *
from call_logs
where org_id = :'org'::uuid and phone_number = :'phone'::text
order by created_at desc;
