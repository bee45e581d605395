/*---
title = "Availability check: the slots of one day that are taken"
order = "scheduled_at, id"
harmless = ["day"]
weight = 2

[binds]
common = """
select a.org_id as org, date_trunc('day', a.scheduled_at, 'UTC') as day
from appointments as a
where a.status in ('pending', 'confirmed') and a.scheduled_at > (select max(m.created_at) from messages as m)
group by 1, 2
order by count(*) desc, 1, 2
limit 3
"""
rare = """
select a.org_id as org, date_trunc('day', a.scheduled_at, 'UTC') as day
from appointments as a
where a.status in ('pending', 'confirmed') and a.scheduled_at > (select max(m.created_at) from messages as m)
group by 1, 2
order by count(*), 1, 2
limit 2
"""
absent = """
select a.org_id as org, date_trunc('day', max(a.scheduled_at), 'UTC') + interval '1 year' as day
from appointments as a
group by a.org_id
order by count(*) desc, a.org_id
limit 1
"""
---*/
select id, contact_id, status, scheduled_at, duration_minutes
from appointments
where org_id = :'org'::uuid
    and status in ('pending', 'confirmed')
    and scheduled_at >= :'day'::timestamptz
    and scheduled_at < :'day'::timestamptz + interval '1 day'
order by scheduled_at;
