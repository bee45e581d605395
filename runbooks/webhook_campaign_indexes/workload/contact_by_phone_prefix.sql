/*---
title = "Contact search: telephone numbers that begin with what was typed"
order = "phone, id"

[binds]
common = """
select left(c.phone, 8) as typed
from contact as c
where c.phone is not null
group by 1
order by count(*) desc, 1
limit 1
"""
absent = "select '+15550' as typed"

[sqlite]
query = """
select id, first_name, last_name, phone
from contact
where phone like :typed || '%'
order by phone, id
limit 20
"""
binds.common = """
select substr(c.phone, 1, 8) as typed
from contact as c
where c.phone is not null
group by 1
order by count(*) desc, 1
limit 2
"""
---*/
-- A hash index knows equal values and nothing else.
select id, first_name, last_name, phone
from contact
where phone like cast(:'typed' as text) || '%'
order by phone, id
limit 20;
