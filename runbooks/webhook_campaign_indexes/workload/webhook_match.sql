/*---
title = "Webhook matching: the activity that an OpenPhone event is about"
order = "id"
weight = 5

[binds]
common = """
select a.openphone_id
from activity as a
where a.openphone_id is not null
order by a.created_at desc, a.id
limit 2
"""
rare = """
select a.openphone_id
from activity as a
where a.openphone_id is not null
order by a.created_at, a.id
limit 1
"""
absent = "select 'ACunknown' as openphone_id"
---*/
select id, conversation_id, contact_id, activity_type, status
from activity
where openphone_id = cast(:'openphone_id' as text);
