/*---
title = "Page views, calls and status changes fit into monthly partitions, and a month's query reads one of them"
writes = true
after_rollback = false # it tries copies; neither the change nor its way back has a part in it
---*/
-- Their primary key would have to be (id, time): a partitioned table keeps unique only what holds the partition's column.
create temporary table probe_views (like widget_pageviews) partition by range (created_at) on commit drop;
create temporary table probe_calls (like call_logs) partition by range (created_at) on commit drop;
create temporary table probe_changes (like agent_status_changes) partition by range (changed_at) on commit drop;

create temporary table probe_months (kind text, part text, first timestamptz) on commit drop;

do $$
declare
    one record;
begin
    for one in
        select t.kind, pg_catalog.format('%s_%s', t.kind, to_char(m, 'YYYYMM')) as part, m as first
        from (
            select 'probe_views' as kind, min(v.created_at) as oldest, max(v.created_at) as newest from widget_pageviews as v
            union all
            select 'probe_calls', min(c.created_at), max(c.created_at) from call_logs as c
            union all
            select 'probe_changes', min(c.changed_at), max(c.changed_at) from agent_status_changes as c
        ) as t
        cross join lateral generate_series(date_trunc('month', t.oldest, 'UTC'), t.newest, interval '1 month') as m
    loop
        execute pg_catalog.format(
            'create temporary table %I partition of %I for values from (%L) to (%L) on commit drop',
            one.part, one.kind, one.first, one.first + interval '1 month'
        );
        insert into probe_months values (one.kind, one.part, one.first);
    end loop;
end
$$;

insert into probe_views select * from widget_pageviews;
insert into probe_calls select * from call_logs;
insert into probe_changes select * from agent_status_changes;

create temporary table probe_pruned (kind text, parts bigint) on commit drop;

-- The month before the newest one, asked for by its bounds.
do $$
declare
    one record;
    answer json;
begin
    for one in
        select m.kind, max(m.first) - interval '1 month' as first,
            case m.kind when 'probe_changes' then 'changed_at' else 'created_at' end as time_column
        from probe_months as m
        group by m.kind
    loop
        execute pg_catalog.format(
            'explain (format json) select count(*) from %1$I where %2$I >= %3$L and %2$I < %4$L',
            one.kind, one.time_column, one.first, one.first + interval '1 month'
        ) into answer;
        insert into probe_pruned
        select one.kind, count(*)
        from regexp_matches(answer::text, '"Relation Name"', 'g');
    end loop;
end
$$;

select w.kind || ': ' || w.copied::text || ' rows in partitions of ' || w.rows::text as fault
from (
    values
        ('probe_views', (select count(*) from widget_pageviews), (select count(*) from probe_views)),
        ('probe_calls', (select count(*) from call_logs), (select count(*) from probe_calls)),
        ('probe_changes', (select count(*) from agent_status_changes), (select count(*) from probe_changes))
) as w (kind, rows, copied)
where w.copied <> w.rows or w.rows = 0
union all
select p.kind || ': one month''s query reads ' || p.parts::text || ' partitions'
from probe_pruned as p
where p.parts <> 1
union all
select k.conrelid::pg_catalog.regclass::text || ' refers to ' || k.confrelid::pg_catalog.regclass::text
    || ', where id alone would no longer be a key'
from pg_catalog.pg_constraint as k
where k.contype = 'f'
    and k.confrelid in (
        'widget_pageviews'::pg_catalog.regclass, 'call_logs'::pg_catalog.regclass, 'agent_status_changes'::pg_catalog.regclass
    );
