/*---
title = "Agent list: two queries suffice, and find every user, where the second asks for the agents' own"
writes = true
---*/
-- A new organisation whose ten agents belong to the users who signed up first: no list of the newest thousand has them.
insert into organizations (id, name) values ('00000000-0000-4000-8000-000000000010', 'probe');

insert into users (id, email, full_name, created_at)
select
    ('00000000-0000-4000-8000-0000000000' || (10 + n)::text)::uuid,
    'probe' || n::text || '@voxanne.example',
    'Probe ' || n::text,
    timestamptz '1970-01-01 00:00:00+00' + make_interval(mins => n)
from generate_series(1, 10) as n;

insert into agents (org_id, user_id, name)
select '00000000-0000-4000-8000-000000000010', u.id, u.full_name
from users as u
where u.id::text like '00000000-0000-4000-8000-0000000000%';

-- The first query.
create temporary table probe_list on commit drop as
select a.id, a.name, a.user_id
from agents as a
where a.org_id = '00000000-0000-4000-8000-000000000010';

-- The second one: by a parameter in the application.
create temporary table probe_users on commit drop as
select u.id, u.full_name
from users as u
where u.id = any (array(select p.user_id from probe_list as p));

select count(*)::text || ' agents have their user' as fault
from probe_list as p
join probe_users as u on u.id = p.user_id
where u.full_name = p.name
having count(*) <> 10;
