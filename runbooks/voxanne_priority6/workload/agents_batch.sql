/*---
title = "Agent list with the users' names, out of one list of a thousand users"
replaces = "agents_each"
same = "equal"
gates = false # an agent whose user is not among the newest thousand of the platform loses name and address
order = "created_at, id"
weight = 0.5
---*/
-- "listUsers({ perPage: 1000 })" gives the newest thousand of all users, not those of the organisation.
with listed as (
    select u.id, u.email, u.full_name
    from users as u
    order by u.created_at desc, u.id
    limit 1000
)
select a.id, a.name, a.is_active, a.created_at, u.email, u.full_name
from agents as a
left join listed as u on u.id = a.user_id
where a.org_id = :'org'::uuid
order by a.created_at, a.id;
