/*---
title = "Webhook queue: the hundred oldest events that wait"
order = "created_at, id"
weight = 3
---*/
select id, event_id, event_type, payload, created_at
from webhook_event
where not processed
order by created_at, id
limit 100;
