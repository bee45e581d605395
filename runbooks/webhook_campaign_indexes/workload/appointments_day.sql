/*---
title = "Appointments of a day, in order"
order = "time, id"
harmless = ["day"]

[binds]
common = """
select a.date as day
from appointment as a
group by a.date
order by count(*) desc, a.date
limit 1
"""
rare = """
select a.date as day
from appointment as a
group by a.date
order by count(*), a.date
limit 1
"""
absent = "select max(a.date) + 365 as day from appointment as a"

[sqlite]
query = """
select id, contact_id, title, time
from appointment
where date = :day
order by time, id
"""
binds.absent = "select date(max(a.date), '365 days') as day from appointment as a"
---*/
select id, contact_id, title, time
from appointment
where date = :'day'::date
order by time, id;
