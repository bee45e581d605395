/*---
title = "A member creates, reads, changes and deletes a conversation and its messages"
writes = true
after_rollback = false # it tries what the migration brings
---*/
create temporary table probe_crud on commit drop as
select m.org_id as org, d.id as domain, jsonb_build_object('sub', m.user_id, 'role', 'authenticated')::text as claims
from organization_members as m
join domains as d on d.org_id = m.org_id
order by (select count(*) from organization_members as o where o.user_id = m.user_id), m.org_id, m.user_id, d.id
limit 1;

create temporary table probe_crud_seen (step text, rows bigint) on commit drop;

grant select on probe_crud to authenticated;
grant select, insert on probe_crud_seen to authenticated;

-- From here on as the application's client: no rights but those of the policies.
set local row_security = on;
select set_config('request.jwt.claims', p.claims, true) from probe_crud as p;
set local role authenticated;

insert into conversations (domain_id, org_id, session_id, metadata)
select p.domain, p.org, 'probe-crud', '{"language": "en"}'
from probe_crud as p;

insert into messages (conversation_id, org_id, role, content, metadata)
select c.id, c.org_id, w.role, w.content, '{"tokens": 3}'
from conversations as c
cross join (values ('user', 'Is anybody there?'), ('assistant', 'Yes.')) as w (role, content)
where c.session_id = 'probe-crud';

insert into probe_crud_seen
select 'read the conversation', count(*) from conversations as c where c.session_id = 'probe-crud'
union all
select 'read its messages', count(*)
from messages as m
join conversations as c on c.id = m.conversation_id
where c.session_id = 'probe-crud';

with changed as (
    update conversations set status = 'resolved', ended_at = now() where session_id = 'probe-crud' and status = 'active' returning id
)
insert into probe_crud_seen
select 'change the conversation', count(*) from changed;

with changed as (
    update messages as m set content = 'Is anybody here?'
    from conversations as c
    where c.id = m.conversation_id and c.session_id = 'probe-crud' and m.role = 'user'
    returning m.id
)
insert into probe_crud_seen
select 'change a message', count(*) from changed;

with gone as (
    delete from messages as m
    using conversations as c
    where c.id = m.conversation_id and c.session_id = 'probe-crud' and m.role = 'assistant'
    returning m.id
)
insert into probe_crud_seen
select 'delete a message', count(*) from gone;

with gone as (
    delete from conversations where session_id = 'probe-crud' returning id
)
insert into probe_crud_seen
select 'delete the conversation', count(*) from gone;

-- The last message goes with its conversation.
insert into probe_crud_seen
select 'messages left behind', count(*) from messages as m where m.content = 'Is anybody here?' and m.metadata = '{"tokens": 3}';

reset role;

select 'nothing to try it with: no organisation has a member and a domain' as fault
where not exists (select from probe_crud)
union all
select w.step || ': ' || coalesce(s.rows::text, 'no') || ' rows instead of ' || w.rows::text
from (
    values
        ('read the conversation', 1),
        ('read its messages', 2),
        ('change the conversation', 1),
        ('change a message', 1),
        ('delete a message', 1),
        ('delete the conversation', 1),
        ('messages left behind', 0)
) as w (step, rows)
left join probe_crud_seen as s on s.step = w.step
where s.rows is distinct from w.rows;
