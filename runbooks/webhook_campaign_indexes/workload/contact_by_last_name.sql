/*---
title = "Contact search: a last name, exactly"
order = "first_name, id"

[binds]
common = """
select c.last_name as name
from contact as c
where c.last_name is not null
group by c.last_name
order by count(*) desc, c.last_name
limit 1
"""
rare = """
select c.last_name as name
from contact as c
where c.last_name is not null
group by c.last_name
order by count(*), c.last_name
limit 1
"""
absent = "select 'Nobody' as name"
---*/
select id, first_name, last_name, phone
from contact
where last_name = cast(:'name' as text)
order by first_name, id
limit 20;
