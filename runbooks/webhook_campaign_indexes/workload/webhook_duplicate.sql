/*---
title = "Duplicate prevention: has this event been here before?"
order = "id"
weight = 5

[binds]
# an event that came twice
common = """
select e.event_id
from webhook_event as e
group by e.event_id
order by count(*) desc, e.event_id
limit 1
"""
rare = """
select e.event_id
from webhook_event as e
group by e.event_id
order by count(*), e.event_id
limit 1
"""
absent = "select 'EVunknown' as event_id"
---*/
select id, processed
from webhook_event
where event_id = cast(:'event_id' as text);
