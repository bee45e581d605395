/*---
title = "Contact by telephone number, exactly"
order = "id"
weight = 5

[binds]
# numbers that two contacts have
common = """
select c.phone
from contact as c
where c.phone is not null
group by c.phone
order by count(*) desc, c.phone
limit 2
"""
rare = """
select c.phone
from contact as c
where c.phone is not null
group by c.phone
order by count(*), c.phone
limit 1
"""
absent = "select '+15550000000' as phone"
---*/
select id, first_name, last_name, email
from contact
where phone = cast(:'phone' as text);
