/*---
title = "Invoices of a status that are due by a day"
order = "due_date, id"
harmless = ["status", "day"]

[binds]
# halfway through those that are open
common = """
select i.status, percentile_disc(0.5) within group (order by i.due_date) as day
from invoice as i
where i.status = 'unpaid'
group by i.status
"""
rare = """
select i.status, min(i.due_date) as day
from invoice as i
where i.status = 'draft'
group by i.status
"""
absent = "select 'refunded' as status, max(i.due_date) as day from invoice as i"

[sqlite]
query = """
select id, contact_id, amount, due_date
from invoice
where status = :status and due_date <= :day
order by due_date, id
"""
binds.common = """
select i.status, i.due_date as day
from invoice as i
where i.status = 'unpaid'
order by i.due_date
limit 1
offset (select count(*) / 2 from invoice as u where u.status = 'unpaid')
"""
---*/
select id, contact_id, amount, due_date
from invoice
where status = cast(:'status' as text) and due_date <= :'day'::date
order by due_date, id;
