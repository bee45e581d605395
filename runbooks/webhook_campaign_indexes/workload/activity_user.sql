/*---
title = "Activities of one user, the newest fifty"
order = "created_at desc, id desc"

[binds]
common = """
select a.user_id as asker
from activity as a
where a.user_id is not null
group by a.user_id
order by count(*) desc, a.user_id
limit 1
"""
rare = """
select a.user_id as asker
from activity as a
where a.user_id is not null
group by a.user_id
order by count(*), a.user_id
limit 1
"""
absent = "select 'USunknown' as asker"
---*/
select *
from activity
where user_id = cast(:'asker' as text)
order by created_at desc, id desc
limit 50;
