/*---
title = "Activity history: the newest fifty of a contact"
order = "created_at desc, id desc"
weight = 3

[binds]
common = """
select a.contact_id as contact
from activity as a
group by a.contact_id
order by count(*) desc, a.contact_id
limit 1
"""
rare = """
select a.contact_id as contact
from activity as a
group by a.contact_id
order by count(*), a.contact_id
limit 1
"""
absent = "select 0 as contact"
---*/
select *
from activity
where contact_id = cast(:'contact' as integer)
order by created_at desc, id desc
limit 50;
