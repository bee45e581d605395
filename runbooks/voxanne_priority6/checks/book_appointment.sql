/*---
title = "Availability: a booked slot is taken at once, a cancelled one is free again, and the contact's list has both"
writes = true
---*/
create temporary table probe_booking on commit drop as
select c.org_id as org, c.id as contact
from contacts as c
order by c.org_id, c.id
limit 1;

create temporary table probe_seen (what text, slots text) on commit drop;

insert into appointments (org_id, contact_id, status, scheduled_at)
select p.org, p.contact, n.status, n.at
from probe_booking as p
cross join (
    values
        ('pending', timestamptz '2100-01-04 09:00:00+00'),
        ('confirmed', timestamptz '2100-01-04 10:00:00+00'),
        ('no_show', timestamptz '2100-01-04 11:00:00+00')
) as n (status, at);

-- The availability check, before the cancellation and after it.
insert into probe_seen
select 'booked', string_agg(to_char(a.scheduled_at at time zone 'UTC', 'HH24'), ' ' order by a.scheduled_at)
from appointments as a
where a.org_id = (select p.org from probe_booking as p)
    and a.status in ('pending', 'confirmed')
    and a.scheduled_at >= '2100-01-04 00:00:00+00' and a.scheduled_at < '2100-01-05 00:00:00+00';

update appointments
set status = 'cancelled'
where org_id = (select p.org from probe_booking as p) and scheduled_at = '2100-01-04 10:00:00+00';

insert into probe_seen
select 'cancelled', string_agg(to_char(a.scheduled_at at time zone 'UTC', 'HH24'), ' ' order by a.scheduled_at)
from appointments as a
where a.org_id = (select p.org from probe_booking as p)
    and a.status in ('pending', 'confirmed')
    and a.scheduled_at >= '2100-01-04 00:00:00+00' and a.scheduled_at < '2100-01-05 00:00:00+00';

insert into probe_seen
select 'listed', string_agg(a.status, ' ' order by a.scheduled_at desc)
from appointments as a
where a.org_id = (select p.org from probe_booking as p)
    and a.contact_id = (select p.contact from probe_booking as p)
    and a.scheduled_at >= '2100-01-04 00:00:00+00';

select w.what || ': ' || coalesce(s.slots, 'nothing') || ' instead of ' || w.slots as fault
from (values ('booked', '09 10'), ('cancelled', '09'), ('listed', 'no_show cancelled pending')) as w (what, slots)
left join probe_seen as s using (what)
where s.slots is distinct from w.slots
order by fault;
