/*---
title = "The contact behind the number of an inbound call"
weight = 3

[binds]
common = """
select c.organization_id as org, c.from_number as phone
from calls as c
join contacts as k on k.organization_id = c.organization_id and k.phone = c.from_number
where c.direction = 'inbound'
group by c.organization_id, c.from_number
order by count(*) desc, c.organization_id, c.from_number
limit 4
"""
rare = """
select k.organization_id as org, k.phone
from contacts as k
where k.phone is not null
    and not exists (select from calls as c where c.from_number = k.phone)
    and not exists (select from calls as c where c.to_number = k.phone)
order by k.organization_id, k.phone
limit 4
"""
absent = """
select c.organization_id as org, c.from_number as phone
from calls as c
where c.direction = 'inbound'
    and not exists (select from contacts as k where k.phone = c.from_number)
group by c.organization_id, c.from_number
order by count(*) desc, c.organization_id, c.from_number
limit 4
"""
---*/
-- Run by the webhook of every inbound call while the caller hears it ring. The oldest contact with the number counts.
select k.id, k.first_name, k.last_name, k.company, k.email, k.phone, k.created_at
from contacts as k
where k.organization_id = :'org'::uuid
    and k.phone = :'phone'::text
order by k.created_at, k.id
limit 1;
