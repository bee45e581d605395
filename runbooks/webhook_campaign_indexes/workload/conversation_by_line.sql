/*---
title = "Conversations of one of the company's lines, the newest twenty"
order = "last_activity_at desc, id desc"
weight = 2

[binds]
common = """
select c.phone_number_id as line
from conversation as c
group by c.phone_number_id
order by count(*) desc, c.phone_number_id
limit 1
"""
rare = """
select c.phone_number_id as line
from conversation as c
group by c.phone_number_id
order by count(*), c.phone_number_id
limit 1
"""
absent = "select 'PNunknown' as line"
---*/
select id, contact_id, last_activity_at
from conversation
where phone_number_id = cast(:'line' as text)
order by last_activity_at desc, id desc
limit 20;
