/*---
title = "A campaign: who has said STOP is left out, whoever was sent to is seen as sent, and no other campaign is touched"
writes = true
sqlite = """
insert into contact (first_name, last_name, phone, created_at)
values
    ('Probe', 'Probe 1', '+19005550101', '2100-01-01 00:00:00.000000'),
    ('Probe', 'Probe 2', '+19005550102', '2100-01-01 00:00:00.000000'),
    ('Probe', 'Probe 3', '+19005550103', '2100-01-01 00:00:00.000000');

insert into campaign (name, status, created_at) values ('probe', 'running', '2100-01-03 00:00:00.000000');

insert into campaign_membership (campaign_id, contact_id)
select g.id, c.id from campaign as g cross join contact as c where g.name = 'probe' and c.last_name like 'Probe _';

insert into contact_flag (contact_id, flag_type, created_at)
select c.id, case c.phone when '+19005550102' then 'opted_out' else 'office_number' end, '2100-01-04 08:00:00.000000'
from contact as c
where c.phone in ('+19005550102', '+19005550103');

update campaign_membership
set status = 'sent', sent_at = '2100-01-04 09:00:00.000000'
where campaign_id = (select g.id from campaign as g where g.name = 'probe')
    and status = 'pending'
    and not exists (
        select 1 from contact_flag as f where f.contact_id = campaign_membership.contact_id and f.flag_type = 'opted_out'
    );

select c.phone || ' is ' || m.status as fault
from campaign_membership as m
join contact as c on c.id = m.contact_id
where m.campaign_id = (select g.id from campaign as g where g.name = 'probe')
    and m.status <> case c.phone when '+19005550102' then 'pending' else 'sent' end
union all
select 'another campaign was sent'
where (select count(*) from campaign_membership as m where m.sent_at > '2100-01-01') <> 2
"""
---*/
create temporary table probe_seen (what text, found text) on commit drop;

insert into contact (first_name, last_name, phone, created_at)
select 'Probe', 'Probe ' || n::text, '+1900555010' || n::text, timestamp '2100-01-01 00:00:00'
from generate_series(1, 3) as n;

insert into campaign (name, status, created_at) values ('probe', 'running', timestamp '2100-01-03 00:00:00');

insert into campaign_membership (campaign_id, contact_id)
select g.id, c.id
from campaign as g
cross join contact as c
where g.name = 'probe' and c.last_name like 'Probe _';

-- "STOP" comes in from the second one's telephone; an office number is none.
insert into contact_flag (contact_id, flag_type, created_at)
select c.id, case c.phone when '+19005550102' then 'opted_out' else 'office_number' end, timestamp '2100-01-04 08:00:00'
from contact as c
where c.phone in ('+19005550102', '+19005550103');

insert into probe_seen
select 'opted out', string_agg(p.phone, ' ' order by p.phone)
from (values ('+19005550101'), ('+19005550102'), ('+19005550103')) as p (phone)
where exists (
    select
    from contact as c
    join contact_flag as f on f.contact_id = c.id
    where c.phone = p.phone and f.flag_type = 'opted_out'
);

update campaign_membership as m
set status = 'sent', sent_at = timestamp '2100-01-04 09:00:00'
where m.campaign_id = (select g.id from campaign as g where g.name = 'probe')
    and m.status = 'pending'
    and not exists (select from contact_flag as f where f.contact_id = m.contact_id and f.flag_type = 'opted_out');

insert into probe_seen
select 'sent', string_agg(c.phone, ' ' order by c.phone)
from campaign_membership as m
join contact as c on c.id = m.contact_id
where m.sent_at > timestamp '2100-01-04 08:59:00' and m.status = 'sent'
union all
select 'pending', string_agg(c.phone, ' ' order by c.phone)
from campaign_membership as m
join contact as c on c.id = m.contact_id
where m.campaign_id = (select g.id from campaign as g where g.name = 'probe') and m.status = 'pending';

select w.what || ': ' || coalesce(s.found, 'nobody') || ' instead of ' || w.found as fault
from (
    values ('opted out', '+19005550102'), ('sent', '+19005550101 +19005550103'), ('pending', '+19005550102')
) as w (what, found)
left join probe_seen as s using (what)
where s.found is distinct from w.found
order by fault;
