/*---
title = "Hourly volume: the messages of a domain by hour and role, over thirty days"
order = "hour, role"
harmless = ["now"]
role = "authenticated"
settings = {"request.jwt.claims" = "claims"}

[binds]
common = """
select d.id as domain, max(c.started_at) as now, (
        select jsonb_build_object('sub', m.user_id, 'role', 'authenticated')::text
        from organization_members as m
        where m.org_id = d.org_id
        order by m.created_at, m.user_id
        limit 1
    ) as claims
from domains as d
join conversations as c on c.domain_id = d.id
group by d.id
order by count(*) desc, d.id
limit 3
"""
rare = """
select d.id as domain, max(c.started_at) as now, (
        select jsonb_build_object('sub', m.user_id, 'role', 'authenticated')::text
        from organization_members as m
        where m.org_id = d.org_id
        order by m.created_at, m.user_id
        limit 1
    ) as claims
from domains as d
join conversations as c on c.domain_id = d.id
group by d.id
order by count(*), d.id
limit 3
"""
absent = """
select d.id as domain, max(c.started_at) as now, '{"sub": "00000000-0000-0000-0000-000000000000"}' as claims
from domains as d
join conversations as c on c.domain_id = d.id
group by d.id
order by count(*) desc, d.id
limit 1
"""
---*/
-- By hand, in psql: begin; set local role authenticated; set local row_security = on;
-- select set_config('request.jwt.claims', '{"sub": "<a user's id>"}', true); then the query, then rollback;
-- Both tables' policies count in here: that of conversations for the join, that of messages for what is counted.
select date_trunc('hour', m.created_at, 'UTC') as hour, m.role, count(*) as messages
from messages as m
join conversations as c on c.id = m.conversation_id
where c.domain_id = :'domain'::uuid
    and m.created_at > :'now'::timestamptz - interval '30 days'
    and m.created_at <= :'now'::timestamptz
group by 1, 2
order by 1, 2;
