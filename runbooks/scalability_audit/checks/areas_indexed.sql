/*---
title = "Every kind of query that the report calls well covered is answered by an index"
writes = true
---*/
-- Which of several indexes the server takes depends on sizes and values; that one is there for the column does not.
create temporary table probe_questions on commit drop as
select
    q.area,
    replace(
        replace(q.asked, 'some_id', '''00000000-0000-0000-0000-000000000000'''),
        'lately', quote_literal((select max(c.created_at) - interval '30 days' from call_logs as c)) || '::timestamptz'
    ) as asked,
    q.by
from (
    values
        ($$calls: organisation and date$$,
            $$select id from call_logs where organization_id = some_id and created_at >= lately$$,
            'organization_id'),
        ($$calls: status$$,
            $$select id from call_logs where organization_id = some_id and status = 'missed' and created_at >= lately$$,
            'organization_id'),
        ($$calls: pool$$, $$select id from call_logs where pool_id = some_id and created_at >= lately$$, 'pool_id'),
        ($$calls: country$$,
            $$select id from call_logs where organization_id = some_id and visitor_country_code = 'DE'$$,
            'organization_id'),
        ($$calls: orphaned$$,
            $$select id from call_logs where status = 'accepted' and ended_at is null and last_heartbeat_at >= lately$$,
            'last_heartbeat_at'),
        ($$page views: organisation and date$$,
            $$select id from widget_pageviews where organization_id = some_id and created_at >= lately$$,
            'organization_id'),
        ($$page views: pool$$,
            $$select id from widget_pageviews where pool_id = some_id and created_at >= lately$$,
            'pool_id'),
        ($$page views: country$$,
            $$select id from widget_pageviews where organization_id = some_id and visitor_country_code = 'DE'$$,
            'organization_id'),
        ($$sessions: an agent's$$,
            $$select id from agent_sessions where agent_id = some_id and started_at >= lately$$,
            'agent_id'),
        ($$sessions: the team's$$,
            $$select id from agent_sessions where organization_id = some_id and started_at >= lately$$,
            'organization_id'),
        ($$sessions: still open$$,
            $$select id from agent_sessions where agent_id = some_id and ended_at is null$$,
            'agent_id'),
        ($$status changes: an agent's$$,
            $$select id from agent_status_changes where agent_id = some_id and to_status = 'away' and changed_at >= lately$$,
            'agent_id'),
        ($$status changes: a session's$$,
            $$select id from agent_status_changes where session_id = some_id order by changed_at$$,
            'session_id'),
        ($$feedback: type by votes$$,
            $$select id from feedback_items where type = 'feature' order by vote_count desc limit 20$$,
            'type'),
        ($$feedback: type by date$$,
            $$select id from feedback_items where type = 'bug' order by created_at desc$$,
            'type'),
        ($$feedback: status by date$$,
            $$select id from feedback_items where status = 'planned' order by created_at desc$$,
            'status'),
        ($$feedback: an organisation's$$,
            $$select id from feedback_items where organization_id = some_id$$,
            'organization_id'),
        ($$feedback: a user's$$, $$select id from feedback_items where user_id = some_id$$, 'user_id'),
        ($$MRR: an organisation's$$,
            $$select mrr from mrr_snapshots where organization_id = some_id order by snapshot_date desc$$,
            'organization_id'),
        ($$MRR: one day's$$,
            $$select sum(mrr) from mrr_snapshots where snapshot_date = lately::date$$,
            'snapshot_date'),
        ($$MRR: changes of an organisation$$,
            $$select new_mrr from mrr_changes where organization_id = some_id order by changed_at desc$$,
            'organization_id'),
        ($$MRR: changes of one type$$,
            $$select new_mrr from mrr_changes where change_type = 'new' order by changed_at desc$$,
            'change_type')
) as q (area, asked, by);

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
select q.area || ': no index is asked for ' || q.by as fault
from probe_questions as q
where not exists (select from nodes as n where n.area = q.area and strpos(n.node ->> 'Index Cond', q.by) > 0)
order by fault;
