/*---
title = "The fifty newest conversations of a domain with one status"
order = "started_at desc, id desc"
weight = 2
role = "authenticated"
settings = {"request.jwt.claims" = "claims"}

[binds]
common = """
select d.id as domain, c.status, (
        select jsonb_build_object('sub', m.user_id, 'role', 'authenticated')::text
        from organization_members as m
        where m.org_id = d.org_id
        order by m.created_at, m.user_id
        limit 1
    ) as claims
from domains as d
join conversations as c on c.domain_id = d.id
group by d.id, c.status
order by count(*) desc, d.id, c.status
limit 3
"""
rare = """
select d.id as domain, c.status, (
        select jsonb_build_object('sub', m.user_id, 'role', 'authenticated')::text
        from organization_members as m
        where m.org_id = d.org_id
        order by m.created_at, m.user_id
        limit 1
    ) as claims
from domains as d
join conversations as c on c.domain_id = d.id
group by d.id, c.status
order by count(*), d.id, c.status
limit 3
"""
absent = """
select d.id as domain, c.status, '{"sub": "00000000-0000-0000-0000-000000000000"}' as claims
from domains as d
join conversations as c on c.domain_id = d.id
group by d.id, c.status
order by count(*) desc, d.id, c.status
limit 1
"""
---*/
-- By hand, in psql: begin; set local role authenticated; set local row_security = on;
-- select set_config('request.jwt.claims', '{"sub": "<a user's id>"}', true); then the query, then rollback;
-- The absent one is asked for by somebody who belongs to no organisation.
select c.id, c.session_id, c.status, c.started_at, c.ended_at, c.metadata
from conversations as c
where c.domain_id = :'domain'::uuid
    and c.status = :'status'::text
order by c.started_at desc, c.id desc
limit 50;
