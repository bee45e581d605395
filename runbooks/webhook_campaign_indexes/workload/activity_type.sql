/*---
title = "Activities of one type, the newest fifty"
order = "created_at desc, id desc"
harmless = ["type"]

[binds]
common = """
select a.activity_type as type
from activity as a
group by a.activity_type
order by count(*) desc, a.activity_type
limit 1
"""
rare = """
select a.activity_type as type
from activity as a
group by a.activity_type
order by count(*), a.activity_type
limit 1
"""
absent = "select 'fax' as type"
---*/
select *
from activity
where activity_type = cast(:'type' as text)
order by created_at desc, id desc
limit 50;
