/*---
title = "Contact detail page: its number's calls, the newest first, and none of another organisation's"
writes = true
---*/
create temporary table probe_contact on commit drop as
select o.id as org, row_number() over (order by o.id) as nth
from organizations as o
order by o.id
limit 2;

insert into call_logs (org_id, phone_number, status, duration_seconds, created_at)
select p.org, '+19005550102', n.status, n.seconds, timestamptz '2026-01-28 12:00:00+00' - n.age
from probe_contact as p
join (
    values
        (1, 'completed', 11, interval '3 days'),
        (1, 'missed', null, interval '1 minute'),
        (1, 'completed', 13, interval '2 hours'),
        (2, 'completed', 21, interval '1 second')
) as n (nth, status, seconds, age) using (nth);

select 'the page shows: ' || coalesce(string_agg(shown.seconds, ', ' order by shown.place), 'nothing') as fault
from (
    select coalesce(c.duration_seconds::text, 'missed') as seconds, row_number() over () as place
    from (
        select *
        from call_logs
        where org_id = (select p.org from probe_contact as p where p.nth = 1) and phone_number = '+19005550102'
        order by created_at desc
    ) as c
) as shown
having string_agg(shown.seconds, ', ' order by shown.place) is distinct from 'missed, 13, 11';
