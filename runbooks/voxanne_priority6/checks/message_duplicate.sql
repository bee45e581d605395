/*---
title = "Message duplicates: the same message to the same contact by the same way is found, any other is none"
writes = true
---*/
create temporary table probe_message on commit drop as
select c.org_id as org, c.id as contact
from contacts as c
order by c.org_id, c.id
limit 1;

insert into messages (org_id, contact_id, method, purpose, content, created_at)
select p.org, p.contact, n.method, 'probe', 'probe', timestamptz '2100-01-04 12:00:00+00' - n.age
from probe_message as p
cross join (values ('sms', interval '1 hour'), ('email', interval '25 hours')) as n (method, age);

select a.method || ', ' || a.purpose || ': ' || case when f.found then 'found' else 'not found' end as fault
from (
    values ('sms', 'probe', true), ('email', 'probe', false), ('whatsapp', 'probe', false), ('sms', 'another', false)
) as a (method, purpose, wanted)
cross join lateral (
    select exists (
        select
        from messages as m
        where m.org_id = (select p.org from probe_message as p)
            and m.contact_id = (select p.contact from probe_message as p)
            and m.method = a.method
            and m.purpose = a.purpose
            and m.created_at > timestamptz '2100-01-04 12:00:00+00' - interval '1 day'
            and m.created_at <= timestamptz '2100-01-04 12:00:00+00'
    ) as found
) as f
where f.found <> a.wanted
order by fault;
