/*---
title = "Activity history: the newest fifty of a conversation"
order = "created_at desc, id desc"
weight = 4

[binds]
common = """
select a.conversation_id as conversation
from activity as a
where a.conversation_id is not null
group by a.conversation_id
order by count(*) desc, a.conversation_id
limit 1
"""
rare = """
select a.conversation_id as conversation
from activity as a
where a.conversation_id is not null
group by a.conversation_id
order by count(*), a.conversation_id
limit 1
"""
absent = "select 0 as conversation"
---*/
select *
from activity
where conversation_id = cast(:'conversation' as integer)
order by created_at desc, id desc
limit 50;
