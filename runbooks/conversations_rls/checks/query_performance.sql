/*---
title = "For the user with the most organisations, each policy asks for them once a query, not once a row"
writes = true
after_rollback = false # it tries what the migration brings
---*/
create temporary table probe_plans (query text, plan jsonb) on commit drop;

grant insert on probe_plans to authenticated;

set local row_security = on;

select set_config('request.jwt.claims', jsonb_build_object('sub', m.user_id)::text, true)
from organization_members as m
group by m.user_id
order by count(*) desc, m.user_id
limit 1;

set local role authenticated;

-- EXPLAIN is no query that another one could read from: it takes a block to keep what it says.
do $$
declare
    asked text;
    answer json;
begin
    foreach asked in array array['select id from conversations', 'select id from messages', 'select * from conversation_analytics'] loop
        execute 'explain (analyze, timing off, format json) ' || asked into answer;
        insert into probe_plans values (asked, answer::jsonb);
    end loop;
end
$$;

reset role;

with recursive nodes as (
    select p.query, p.plan -> 0 -> 'Plan' as node
    from probe_plans as p
    union all
    select n.query, child.node
    from nodes as n
    cross join lateral jsonb_array_elements(coalesce(n.node -> 'Plans', '[]')) as child (node)
)
select n.query || ': ' || (n.node ->> 'Subplan Name') || ' ran ' || (n.node ->> 'Actual Loops') || ' times' as fault
from nodes as n
where n.node ? 'Subplan Name' and (n.node ->> 'Actual Loops')::numeric > 1
union all
select n.query || ': auth.uid() is part of a condition on rows'
from nodes as n
where n.node ->> 'Filter' like '%request.jwt.claim%'
union all
select p.query || ': no policy asks for the organisations'
from probe_plans as p
where not exists (select from nodes as n where n.query = p.query and n.node ? 'Subplan Name')
order by fault;
