/*---
title = "109 indexes, of each table as many as the report counts; its two new ones come on top"
---*/
-- Its numbers by table leave primary keys and constraints out, for agent_sessions has three and all three are named. Its
-- total is held here with them: what the tables are that it does not list, it does not say.
with indexes as (
    select pg_catalog.format('%s', t.oid::pg_catalog.regclass) as table_name,
        exists (
            select from pg_catalog.pg_constraint as k
            where k.conindid = x.indexrelid and k.conrelid = x.indrelid and k.contype in ('p', 'u', 'x')
        ) as of_constraint
    from pg_catalog.pg_index as x
    join pg_catalog.pg_class as i on i.oid = x.indexrelid
    join pg_catalog.pg_class as t on t.oid = x.indrelid
    where t.relnamespace = 'public'::pg_catalog.regnamespace
        and i.relname not in ('idx_call_logs_reconnect_token', 'idx_invites_expires_at')
)
select 'in all' as what, count(*) as indexes, 109 as counted
from indexes
having count(*) <> 109
union all
select w.table_name, count(x.table_name), w.counted
from (
    values
        ('call_logs', 15),
        ('widget_pageviews', 7),
        ('feedback_items', 8),
        ('agent_sessions', 3),
        ('agent_status_changes', 3),
        ('mrr_snapshots', 3),
        ('mrr_changes', 4),
        ('funnel_events', 5),
        ('pmf_surveys', 4),
        ('organizations', 5)
) as w (table_name, counted)
left join indexes as x on x.table_name = w.table_name and not x.of_constraint
group by w.table_name, w.counted
having count(x.table_name) <> w.counted
order by what;
