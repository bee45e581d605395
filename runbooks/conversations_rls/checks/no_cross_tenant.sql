/*---
title = "Nobody reads, writes, moves or deletes what is another organisation's, by whatever way in"
writes = true
after_rollback = false # it tries what the migration brings
---*/
-- The member is one of a single organisation; the other organisation is the one with the most conversations that is not theirs.
create temporary table probe_member on commit drop as
select m.org_id as org, d.id as domain, m.user_id as actor
from organization_members as m
join domains as d on d.org_id = m.org_id
where (select count(*) from organization_members as o where o.user_id = m.user_id) = 1
order by m.org_id, m.user_id, d.id
limit 1;

create temporary table probe_other on commit drop as
select d.org_id as org, min(d.id::text)::uuid as domain, min(c.id::text)::uuid as conversation, min(g.id::text)::uuid as message
from probe_member as p
join domains as d on d.org_id <> p.org
join conversations as c on c.domain_id = d.id
join messages as g on g.conversation_id = c.id
group by d.org_id
order by count(*) desc, d.org_id
limit 1;

-- The member's own rows, for what moves: a conversation and a message.
insert into conversations (domain_id, org_id, session_id)
select p.domain, p.org, 'probe-own' from probe_member as p;

insert into messages (conversation_id, org_id, role, content)
select c.id, c.org_id, 'user', 'probe-own' from conversations as c where c.session_id = 'probe-own';

create temporary table probe_actors on commit drop as
select 'a member' as actor, 'authenticated' as role, jsonb_build_object('sub', p.actor, 'role', 'authenticated')::text as claims, true as member
from probe_member as p
union all
select 'a user of no organisation', 'authenticated', '{"sub": "00000000-0000-0000-0000-000000000000", "role": "authenticated"}', false
union all
select 'a session without claims', 'authenticated', '', false
union all
select 'anon', 'anon', '{"role": "anon"}', false;

create temporary table probe_ways on commit drop as
select w.way, w.sql, w.by_members
from probe_member as p, probe_other as o
cross join lateral (
    values
        ('reads a conversation', format('select from conversations where id = %L', o.conversation), false),
        ('reads conversations', format('select from conversations where org_id = %L limit 1', o.org), false),
        ('reads messages', format('select from messages where org_id = %L limit 1', o.org), false),
        ('reads messages of a conversation', format('select from messages where conversation_id = %L limit 1', o.conversation), false),
        ('reads the analytics', format('select from conversation_analytics where org_id = %L limit 1', o.org), false),
        ('changes a conversation', format('update conversations set status = ''resolved'' where id = %L', o.conversation), false),
        ('changes a message', format('update messages set content = ''changed'' where id = %L', o.message), false),
        ('changes any conversation', format('update conversations set metadata = ''{}'' where org_id = %L', o.org), false),
        ('deletes a conversation', format('delete from conversations where id = %L', o.conversation), false),
        ('deletes a message', format('delete from messages where id = %L', o.message), false),
        ('creates a conversation',
            format('insert into conversations (domain_id, org_id, session_id) values (%L, %L, ''probe'')', o.domain, o.org), false),
        ('creates a message', format('insert into messages (conversation_id, org_id, role, content) values (%L, %L, ''user'', ''probe'')',
            o.conversation, o.org), false),
        ('takes a conversation over', format('update conversations set org_id = %L where id = %L', p.org, o.conversation), false),
        ('creates a conversation of their own on a domain',
            format('insert into conversations (domain_id, org_id, session_id) values (%L, %L, ''probe'')', o.domain, p.org), true),
        ('puts a message of their own into a conversation',
            format('insert into messages (conversation_id, org_id, role, content) values (%L, %L, ''user'', ''probe'')', o.conversation, p.org),
            true),
        ('gives a conversation away', format('update conversations set org_id = %L, domain_id = %L where session_id = ''probe-own''',
            o.org, o.domain), true),
        ('moves a conversation to a domain', format('update conversations set domain_id = %L where session_id = ''probe-own''', o.domain),
            true),
        ('gives a message away', format('update messages set org_id = %L, conversation_id = %L where content = ''probe-own''',
            o.org, o.conversation), true),
        ('moves a message into a conversation', format('update messages set conversation_id = %L where content = ''probe-own''',
            o.conversation), true)
) as w (way, sql, by_members);

create temporary table probe_faults (fault text) on commit drop;

set local row_security = on;

-- Each attempt is undone by itself: one that gets through does not help the next one.
do $$
declare
    tried record;
    reached bigint;
begin
    for tried in
        select a.actor, a.role, a.claims, w.way, w.sql
        from probe_actors as a
        join probe_ways as w on a.member or not w.by_members
    loop
        reached := 0;
        begin
            perform set_config('request.jwt.claims', tried.claims, true);
            perform set_config('role', tried.role, true);
            execute tried.sql;
            get diagnostics reached = row_count;
            raise exception using errcode = 'PB001';
        exception
            when insufficient_privilege then null;
            when sqlstate 'PB001' then null;
        end;
        perform set_config('role', 'none', true);
        if reached > 0 then
            insert into probe_faults values (tried.actor || ' ' || tried.way || ' of another organisation');
        end if;
    end loop;
end
$$;

select 'nothing to try it with: it takes a member of one organisation, and another one with conversations' as fault
where not exists (select from probe_ways)
union all
select f.fault
from probe_faults as f
order by fault;
