/*---
title = "30 days and 100 sessions are 72,000 iterations of the loops"
---*/
with newest as (
    select max(s.started_at) as now, (max(s.started_at) at time zone 'UTC')::date as day
    from agent_sessions as s
),
hundred as (
    select s.organization_id as org
    from newest as n
    join agent_sessions as s
        on s.started_at < (n.day + 1)::timestamp at time zone 'UTC'
        and (s.ended_at > (n.day - 29)::timestamp at time zone 'UTC' or s.ended_at is null)
    group by s.organization_id
    having count(*) = 100
    order by s.organization_id
    limit 1
)
select 'no organisation has 100 sessions in the last 30 days' as fault
where not exists (select from hundred)
union all
select sum(c.iterations)::text || ' iterations, not 72000'
from newest as n, hundred as h
cross join lateral hourly_coverage_by_iteration(h.org, n.day - 29, n.day, 'UTC', n.now) as c
having sum(c.iterations) <> 72000;
