/*---
title = "Conversations of a contact"
order = "last_activity_at desc, id"
weight = 2

[binds]
common = """
select c.contact_id as contact
from conversation as c
group by c.contact_id
order by count(*) desc, c.contact_id
limit 1
"""
rare = """
select c.contact_id as contact
from conversation as c
group by c.contact_id
order by count(*), c.contact_id
limit 1
"""
absent = "select 0 as contact"
---*/
select id, phone_number_id, last_activity_at
from conversation
where contact_id = cast(:'contact' as integer)
order by last_activity_at desc;
