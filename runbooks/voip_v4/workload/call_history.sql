/*---
title = "Call history of seven days, with contact names"
order = "created_at desc, id desc"
harmless = ["now"]

[binds]
common = """
select c.organization_id as org, max(c.created_at) as now
from calls as c
group by c.organization_id
order by count(*) desc, c.organization_id
limit 3
"""
rare = """
select c.organization_id as org, max(c.created_at) as now
from calls as c
group by c.organization_id
order by count(*), c.organization_id
limit 3
"""
absent = """
select '00000000-0000-0000-0000-000000000000'::uuid as org, max(c.created_at) as now
from calls as c
"""
---*/
-- A call holds no contact, only the other side's number: the page looks the names of all its numbers up at once.
-- Of two contacts with one number the older gives the name. The application's REST interface cuts every answer at 1,000 rows.
with page as (
    select
        c.id, c.twilio_call_sid, c.direction, c.from_number, c.to_number, c.status, c.assigned_to, c.duration_seconds,
        c.created_at, c.answered_at, c.ended_at,
        case when c.direction = 'inbound' then c.from_number else c.to_number end as other_number
    from calls as c
    where c.organization_id = :'org'::uuid
        and c.created_at >= :'now'::timestamptz - interval '7 days'
        and c.created_at <= :'now'::timestamptz
    order by c.created_at desc, c.id desc
    limit 1000
),
named as (
    select distinct on (k.phone) k.phone, k.id as contact_id, k.first_name, k.last_name
    from contacts as k
    where k.organization_id = :'org'::uuid
        and k.phone in (select p.other_number from page as p)
    order by k.phone, k.created_at, k.id
)
select p.*, n.contact_id, n.first_name, n.last_name
from page as p
left join named as n on n.phone = p.other_number
order by p.created_at desc, p.id desc;
