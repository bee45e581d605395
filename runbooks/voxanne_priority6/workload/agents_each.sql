/*---
title = "Agent list with the users' names, as asking for each of them gives it"
order = "created_at, id"
weight = 0.5

[binds]
common = """
select a.org_id as org
from agents as a
group by a.org_id
order by count(*) desc, a.org_id
limit 1
"""
rare = """
select a.org_id as org
from agents as a
group by a.org_id
order by abs(count(*) - 10), a.org_id
limit 1
"""
absent = "select '00000000-0000-0000-0000-000000000000'::uuid as org"
---*/
-- One query for the list and one for each agent's user, getUserById(); told in one statement here, for the rows. How many
-- queries it is and how long they take, the application model measures.
select a.id, a.name, a.is_active, a.created_at, u.email, u.full_name
from agents as a
left join users as u on u.id = a.user_id
where a.org_id = :'org'::uuid
order by a.created_at, a.id;
