/*---
title = "Report: the calls of thirty days, by day"
order = "day"
harmless = ["now"]

[binds]
common = "select max(a.created_at) as now from activity as a"

[sqlite]
query = """
select date(created_at) as day, count(*) as calls, count(case when status = 'missed' then 1 end) as missed
from activity
where activity_type = 'call' and created_at > datetime(:now, '-30 days') and created_at <= :now
group by 1
order by 1
"""
---*/
select created_at::date as day, count(*) as calls, count(*) filter (where status = 'missed') as missed
from activity
where activity_type = 'call'
    and created_at > :'now'::timestamp - interval '30 days'
    and created_at <= :'now'::timestamp
group by 1
order by 1;
