/*---
title = "The calls of one pool by day over thirty days"
order = "day"
harmless = ["now"]

[binds]
common = """
select c.pool_id as pool, max(c.created_at) as now
from call_logs as c
where c.pool_id is not null
group by c.pool_id
order by count(*) desc, c.pool_id
limit 2
"""
absent = """
select '00000000-0000-0000-0000-000000000000'::uuid as pool, max(c.created_at) as now
from call_logs as c
"""
---*/
select
    date_trunc('day', c.created_at, 'UTC') as day, count(*) as calls, count(c.answered_at) as answered,
    round(avg(c.duration_seconds), 3) as average_seconds
from call_logs as c
where c.pool_id = :'pool'::uuid
    and c.created_at >= :'now'::timestamptz - interval '30 days'
    and c.created_at <= :'now'::timestamptz
group by 1
order by 1;
