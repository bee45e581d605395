/*---
title = "Each new index answers the query that it is for, the document's EXPLAIN among them, and gives its order"
writes = true
after_rollback = false # it tries what the migration brings
---*/
create temporary table probe_questions on commit drop as
select *
from (
    values
        ($$contact detail page$$,
            $$select * from call_logs where org_id = $1 and phone_number = '+1234567890' order by created_at desc$$,
            'idx_call_logs_org_phone_created', true),
        ($$contact detail page, ten calls$$,
            $$select * from call_logs where org_id = $1 and phone_number = '+1234567890' order by created_at desc limit 10$$,
            'idx_call_logs_org_phone_created', true),
        ($$appointments by contact$$,
            $$select * from appointments where org_id = $1 and contact_id = $2 order by scheduled_at desc$$,
            'idx_appointments_org_contact_scheduled', true),
        -- two statuses are two ranges of the index, so their rows still have to be sorted
        ($$availability$$,
            $$select id from appointments where org_id = $1 and status in ('pending', 'confirmed')
                and scheduled_at >= '2026-02-02' and scheduled_at < '2026-02-03' order by scheduled_at$$,
            'idx_appointments_org_status_scheduled', false),
        ($$message duplicates$$,
            $$select id from messages where org_id = $1 and contact_id = $2 and method = 'sms' and created_at > '2026-01-27'$$,
            'idx_messages_org_contact_method', false),
        ($$services$$,
            $$select * from services where org_id = $1 order by created_at desc$$,
            'idx_services_org_created', true)
) as q (area, asked, wanted, in_order);

-- The busiest organisation and one of its contacts, or nobody where there is none.
create temporary table probe_asker on commit drop as
select
    coalesce(min(a.org_id::text), '00000000-0000-0000-0000-000000000000') as org,
    coalesce(min(a.contact_id::text), '00000000-0000-0000-0000-000000000000') as contact
from (
    select a.org_id, min(a.contact_id::text) as contact_id
    from appointments as a
    group by a.org_id
    order by count(*) desc, a.org_id
    limit 1
) as a;

create temporary table probe_plans (area text, plan jsonb) on commit drop;

-- Whether an index fits does not depend on how small the table is: reading it all is made dear here, and so is a bitmap, which
-- gives no order.
set local enable_seqscan = off;

set local enable_bitmapscan = off;

-- EXPLAIN is no query that another one could read from: it takes a block to keep what it says.
do $$
declare
    one record;
    answer json;
begin
    for one in select q.area, q.asked from probe_questions as q loop
        execute (
            select 'explain (analyze, timing off, format json) '
                || replace(replace(one.asked, '$1', quote_literal(a.org)), '$2', quote_literal(a.contact))
            from probe_asker as a
        ) into answer;
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
union all
select q.area || ': sorted after ' || q.wanted
from probe_questions as q
where q.in_order and exists (select from nodes as n where n.area = q.area and n.node ->> 'Node Type' = 'Sort')
order by fault;
