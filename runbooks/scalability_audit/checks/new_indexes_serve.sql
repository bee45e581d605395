/*---
title = "The two new indexes answer the look-up of a reconnect token and the clean-up of invites"
writes = true
after_rollback = false # it tries what the migration brings
---*/
create temporary table probe_questions on commit drop as
select *
from (
    values
        ($$reconnect$$,
            $$select id from call_logs where reconnect_token = 'rt' and status = 'accepted' and reconnect_eligible$$,
            'idx_call_logs_reconnect_token'),
        ($$clean-up in batches$$,
            $$select id from invites where accepted_at is null and expires_at < '2024-06-10' order by expires_at limit 500$$,
            'idx_invites_expires_at'),
        ($$clean-up at once$$,
            $$delete from invites where accepted_at is null and expires_at < '2024-06-10'$$,
            'idx_invites_expires_at')
) as q (area, asked, wanted);

create temporary table probe_plans (area text, plan jsonb) on commit drop;

-- Whether an index fits does not depend on how small the table is: reading it all is made dear here.
set local enable_seqscan = off;

-- EXPLAIN is no query that another one could read from: it takes a block to keep what it says.
do $$
declare
    one record;
    answer json;
begin
    for one in select q.area, q.asked from probe_questions as q loop
        execute 'explain (format json) ' || one.asked into answer;
        insert into probe_plans values (one.area, answer::jsonb);
    end loop;
end
$$;

with recursive nodes as (
    select p.area, p.plan -> 0 -> 'Plan' as node
    from probe_plans as p
    union all
    select n.area, child.node
    from nodes as n
    cross join lateral jsonb_array_elements(coalesce(n.node -> 'Plans', '[]')) as child (node)
)
select q.area || ': not answered by ' || q.wanted as fault
from probe_questions as q
where not exists (
        select from nodes as n
        where n.area = q.area and n.node ->> 'Index Name' = q.wanted and n.node ? 'Index Cond'
    )
order by fault;
