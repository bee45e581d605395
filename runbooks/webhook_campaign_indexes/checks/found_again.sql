/*---
title = "Contacts, conversations, activities, appointments and invoices: what was just written is found, in its order"
writes = true
sqlite = """
insert into contact (first_name, last_name, email, phone, created_at)
values ('Probefirst', 'Probelast', 'probe@mail.example', '+19005550100', '2100-01-01 00:00:00.000000');

insert into conversation (contact_id, phone_number_id)
select c.id, 'PNprobe' from contact as c where c.email = 'probe@mail.example';

insert into activity (conversation_id, contact_id, user_id, activity_type, body, created_at)
select v.id, v.contact_id, 'USprobe', 'probe', 'one', '2100-01-04 09:00:00.000000'
from conversation as v
where v.phone_number_id = 'PNprobe'
union all
select v.id, v.contact_id, 'USprobe', 'probe', 'two', '2100-01-04 10:00:00.000000'
from conversation as v
where v.phone_number_id = 'PNprobe';

insert into appointment (contact_id, title, date, time)
select c.id, 'probe', '2100-01-04', '08:00:00.000000' from contact as c where c.email = 'probe@mail.example';

insert into invoice (contact_id, amount, status, due_date)
select c.id, 1, 'probe', '2100-01-04' from contact as c where c.email = 'probe@mail.example';

with own as (select c.id from contact as c where c.email = 'probe@mail.example')
select 'the contact is not found' as fault
where not exists (select 1 from contact as c, own where c.id = own.id and c.phone = '+19005550100')
    or not exists (
        select 1 from contact as c, own where c.id = own.id and c.first_name = 'Probefirst' and c.last_name = 'Probelast'
    )
union all
select 'another activity is the newest: ' || coalesce(a.body, 'none')
from (
    select (
        select a.body
        from activity as a
        where a.conversation_id = (select v.id from conversation as v where v.contact_id = (select id from own))
        order by a.created_at desc
        limit 1
    ) as body
) as a
where a.body is not 'two'
union all
select 'an activity is missing by contact, user or type'
where (select count(*) from activity as a where a.contact_id = (select id from own)) <> 2
    or (select count(*) from activity as a where a.user_id = 'USprobe') <> 2
    or (select count(*) from activity as a where a.activity_type = 'probe') <> 2
union all
select 'the appointment or the invoice is not found'
where not exists (select 1 from appointment as p where p.date = '2100-01-04' and p.title = 'probe')
    or not exists (select 1 from invoice as i where i.status = 'probe' and i.due_date <= '2100-01-04')
"""
---*/
create temporary table probe_seen (what text, found text) on commit drop;

insert into contact (first_name, last_name, email, phone, created_at)
values ('Probefirst', 'Probelast', 'probe@mail.example', '+19005550100', timestamp '2100-01-01 00:00:00');

insert into conversation (contact_id, phone_number_id)
select c.id, n.line
from contact as c
cross join (values ('PNprobe1'), ('PNprobe2')) as n (line)
where c.email = 'probe@mail.example';

insert into activity (conversation_id, contact_id, user_id, activity_type, body, created_at)
select v.id, v.contact_id, 'USprobe', n.type, n.body, timestamp '2100-01-04 09:00:00' + n.later
from conversation as v
cross join (
    values ('probe', 'one', interval '0'), ('probe', 'three', interval '2 hours'), ('probe2', 'two', interval '1 hour')
) as n (type, body, later)
where v.phone_number_id = 'PNprobe1';

insert into appointment (contact_id, title, date, time)
select c.id, n.title, date '2100-01-04', n.time
from contact as c
cross join (values ('late', time '16:00'), ('early', time '08:00')) as n (title, time)
where c.email = 'probe@mail.example';

insert into invoice (contact_id, amount, status, due_date)
select c.id, n.amount, 'probe', n.due
from contact as c
cross join (values (3.00, date '2100-01-06'), (1.00, date '2100-01-04'), (2.00, date '2100-01-05')) as n (amount, due)
where c.email = 'probe@mail.example';

insert into probe_seen
select 'by telephone', string_agg(c.email, ' ') from contact as c where c.phone = '+19005550100'
union all
select 'by first name', string_agg(c.email, ' ') from contact as c where c.first_name = 'Probefirst'
union all
select 'by last name', string_agg(c.email, ' ') from contact as c where c.last_name = 'Probelast'
union all
select 'by address', string_agg(c.phone, ' ') from contact as c where c.email = 'probe@mail.example'
union all
select 'of the contact', string_agg(v.phone_number_id, ' ' order by v.phone_number_id)
from conversation as v
where v.contact_id = (select c.id from contact as c where c.email = 'probe@mail.example')
union all
select 'of the line', count(*)::text from conversation as v where v.phone_number_id = 'PNprobe2'
union all
select 'of the conversation', string_agg(a.body, ' ' order by a.created_at desc)
from activity as a
where a.conversation_id = (select v.id from conversation as v where v.phone_number_id = 'PNprobe1')
union all
select 'of the contact''s activities', string_agg(a.body, ' ' order by a.created_at desc)
from activity as a
where a.contact_id = (select c.id from contact as c where c.email = 'probe@mail.example')
union all
select 'of the user', string_agg(a.body, ' ' order by a.created_at desc) from activity as a where a.user_id = 'USprobe'
union all
select 'of the type', string_agg(a.body, ' ' order by a.created_at desc) from activity as a where a.activity_type = 'probe'
union all
select 'of the day', string_agg(p.title, ' ' order by p.time) from appointment as p where p.date = date '2100-01-04'
union all
select 'due', string_agg(i.amount::text, ' ' order by i.due_date)
from invoice as i
where i.status = 'probe' and i.due_date <= date '2100-01-05';

select w.what || ': ' || coalesce(s.found, 'nothing') || ' instead of ' || w.found as fault
from (
    values
        ('by telephone', 'probe@mail.example'), ('by first name', 'probe@mail.example'), ('by last name', 'probe@mail.example'),
        ('by address', '+19005550100'), ('of the contact', 'PNprobe1 PNprobe2'), ('of the line', '1'),
        ('of the conversation', 'three two one'), ('of the contact''s activities', 'three two one'),
        ('of the user', 'three two one'), ('of the type', 'three one'), ('of the day', 'early late'), ('due', '1.00 2.00')
) as w (what, found)
left join probe_seen as s using (what)
where s.found is distinct from w.found
order by fault;
