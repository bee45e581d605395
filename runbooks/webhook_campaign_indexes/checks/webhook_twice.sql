/*---
title = "Duplicate prevention: of two deliveries of an event at the same moment one is written"
writes = true
gates = false # both are
rival = """
insert into webhook_event (event_id, event_type, payload, created_at)
select 'EVprobe', 'message.received', '{}', timestamp '2100-01-04 09:00:01'
where not exists (select from webhook_event as e where e.event_id = 'EVprobe')
returning 'the second delivery is written as well' as fault
"""
---*/
-- Each looks first and writes where it finds nothing. The second one can't see what the first one has not committed; a unique
-- index would make it wait, and then refuse it.
insert into webhook_event (event_id, event_type, payload, created_at)
select 'EVprobe', 'message.received', '{}', timestamp '2100-01-04 09:00:00'
where not exists (select from webhook_event as e where e.event_id = 'EVprobe');

select 'the first delivery is not written' as fault
where not exists (select from webhook_event as e where e.event_id = 'EVprobe');
