/*---
title = "The messages of a conversation, as its page shows them"
order = "created_at, id"
weight = 4
role = "authenticated"
settings = {"request.jwt.claims" = "claims"}

[binds]
common = """
select c.id as conversation, (
        select jsonb_build_object('sub', m.user_id, 'role', 'authenticated')::text
        from organization_members as m
        where m.org_id = d.org_id
        order by m.created_at, m.user_id
        limit 1
    ) as claims
from conversations as c
join domains as d on d.id = c.domain_id
join messages as g on g.conversation_id = c.id
group by c.id, d.id
order by count(*) desc, c.id
limit 4
"""
rare = """
select c.id as conversation, (
        select jsonb_build_object('sub', m.user_id, 'role', 'authenticated')::text
        from organization_members as m
        where m.org_id = d.org_id
        order by m.created_at, m.user_id
        limit 1
    ) as claims
from conversations as c
join domains as d on d.id = c.domain_id
join messages as g on g.conversation_id = c.id
group by c.id, d.id
order by count(*), c.id
limit 4
"""
absent = """
select c.id as conversation, '{"sub": "00000000-0000-0000-0000-000000000000"}' as claims
from conversations as c
join domains as d on d.id = c.domain_id
join messages as g on g.conversation_id = c.id
group by c.id, d.id
order by count(*) desc, c.id
limit 1
"""
---*/
-- By hand, in psql: begin; set local role authenticated; set local row_security = on;
-- select set_config('request.jwt.claims', '{"sub": "<a user's id>"}', true); then the query, then rollback;
-- The absent one is asked for by somebody who belongs to no organisation, and has got hold of a conversation's id.
select m.id, m.role, m.content, m.metadata, m.created_at
from messages as m
where m.conversation_id = :'conversation'::uuid
order by m.created_at;
