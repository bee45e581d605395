/*---
title = "Contact search: a first name, exactly"
order = "last_name, id"

[binds]
common = """
select c.first_name as name
from contact as c
group by c.first_name
order by count(*) desc, c.first_name
limit 1
"""
rare = """
select c.first_name as name
from contact as c
group by c.first_name
order by count(*), c.first_name
limit 1
"""
absent = "select 'Nobody' as name"
---*/
select id, first_name, last_name, phone
from contact
where first_name = cast(:'name' as text)
order by last_name, id
limit 20;
