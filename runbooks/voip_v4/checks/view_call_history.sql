/*---
title = "View call history: the page's rows and names are those that another way of asking gives"
writes = true
---*/
-- The organisation with the most calls among those that have agents. Its clock is its newest call,
-- so that the seven days hold real ones as well, wherever the data stand in time.
create temporary table probe_history on commit drop as
select o.id as org, o.phone_number, coalesce(n.newest, timestamptz '2025-10-24 12:00:00+00') + interval '1 minute' as now
from organizations as o
left join (
    select c.organization_id, count(*) as calls, max(c.created_at) as newest
    from calls as c
    group by c.organization_id
) as n on n.organization_id = o.id
where exists (select from voip_users as u where u.organization_id = o.id)
order by coalesce(n.calls, 0) desc, o.id
limit 1;

-- A number with two contacts, where the older gives the name; the number of another organisation's contact; a stranger's.
insert into contacts (organization_id, first_name, phone, created_at)
select p.org, n.first_name, '+19005550127', n.created_at
from probe_history as p
cross join (
    values
        ('Probe, younger', timestamptz '1970-01-02 00:00:00+00'),
        ('Probe, older', timestamptz '1970-01-01 00:00:00+00')
) as n (first_name, created_at);

insert into contacts (organization_id, first_name, phone)
select o.id, 'Probe, another''s', '+19005550128'
from probe_history as p
join organizations as o on o.id <> p.org
order by o.id
limit 1;

-- The last one is just too old for the page.
insert into calls (organization_id, twilio_call_sid, direction, from_number, to_number, status, created_at)
select
    p.org,
    n.sid,
    n.direction,
    case when n.direction = 'inbound' then n.other_number else p.phone_number end,
    case when n.direction = 'inbound' then p.phone_number else n.other_number end,
    'no-answer',
    p.now - n.age
from probe_history as p
cross join (
    values
        ('CAprobe-history-1', 'inbound', '+19005550127', interval '0 seconds'),
        ('CAprobe-history-2', 'outbound', '+19005550127', interval '1 second'),
        ('CAprobe-history-3', 'inbound', '+19005550128', interval '2 seconds'),
        ('CAprobe-history-4', 'inbound', '+19005550129', interval '2 seconds'),
        ('CAprobe-history-5', 'inbound', '+19005550127', interval '7 days 1 second')
) as n (sid, direction, other_number, age);

-- The page, as the application asks for it.
create temporary table probe_history_page on commit drop as
with page as (
    select
        c.id, c.twilio_call_sid, c.created_at,
        case when c.direction = 'inbound' then c.from_number else c.to_number end as other_number
    from calls as c
    where c.organization_id = (select p.org from probe_history as p)
        and c.created_at >= (select p.now - interval '7 days' from probe_history as p)
        and c.created_at <= (select p.now from probe_history as p)
    order by c.created_at desc, c.id desc
    limit 1000
),
named as (
    select distinct on (k.phone) k.phone, k.id as contact_id, k.first_name
    from contacts as k
    where k.organization_id = (select p.org from probe_history as p)
        and k.phone in (select p.other_number from page as p)
    order by k.phone, k.created_at, k.id
)
select row_number() over (order by p.created_at desc, p.id desc) as place, p.id, p.twilio_call_sid, n.contact_id, n.first_name
from page as p
left join named as n on n.phone = p.other_number;

-- The same by other means: no limit, no distinct on, and each direction by itself.
with placed as (
    select c.*, row_number() over (order by c.created_at desc, c.id desc) as place
    from calls as c
    join probe_history as p on p.org = c.organization_id and c.created_at between p.now - interval '7 days' and p.now
),
owner as (
    select k.phone, (array_agg(k.id order by k.created_at, k.id))[1] as contact_id
    from contacts as k
    join probe_history as p on p.org = k.organization_id
    group by k.phone
),
expected as (
    select c.place, c.id, o.contact_id
    from placed as c
    left join owner as o on o.phone = c.from_number
    where c.direction = 'inbound' and c.place <= 1000
    union all
    select c.place, c.id, o.contact_id
    from placed as c
    left join owner as o on o.phone = c.to_number
    where c.direction = 'outbound' and c.place <= 1000
)
select 'nothing to try it with: no organisation has an agent' as fault
where not exists (select from probe_history)
union all
select 'call ' || coalesce(e.id, s.id)::text || ' should be at place ' || coalesce(e.place::text, 'none') || ' with contact '
    || coalesce(e.contact_id::text, 'none') || '; the page has it at ' || coalesce(s.place::text, 'none') || ' with '
    || coalesce(s.contact_id::text, 'none')
from expected as e
full join probe_history_page as s on s.id = e.id
where (s.place, s.contact_id) is distinct from (e.place, e.contact_id)
union all
select 'the page shows the probe''s calls as: '
    || coalesce(string_agg(concat_ws(' ', s.twilio_call_sid, s.first_name), '; ' order by s.twilio_call_sid), 'none')
from probe_history_page as s
where s.twilio_call_sid like 'CAprobe-history-%'
having string_agg(concat_ws(' ', s.twilio_call_sid, s.first_name), '; ' order by s.twilio_call_sid) is distinct from
    'CAprobe-history-1 Probe, older; CAprobe-history-2 Probe, older; CAprobe-history-3; CAprobe-history-4';
