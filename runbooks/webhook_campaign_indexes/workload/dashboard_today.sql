/*---
title = "Dashboard: the activities since midnight, by type"
order = "activity_type"
harmless = ["now"]

[binds]
common = "select max(a.created_at) as now from activity as a"

[sqlite]
query = """
select activity_type, count(*) as activities
from activity
where created_at >= date(:now) and created_at <= :now
group by activity_type
order by activity_type
"""
---*/
-- None of the indexes on activity begins with created_at.
select activity_type, count(*) as activities
from activity
where created_at >= date_trunc('day', :'now'::timestamp) and created_at <= :'now'::timestamp
group by activity_type
order by activity_type;
