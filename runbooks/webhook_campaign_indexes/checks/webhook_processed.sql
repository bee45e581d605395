/*---
title = "A webhook from its arrival to its end: it waits, finds its activity, is done, and is known when it comes again"
writes = true
sqlite = """
insert into activity (openphone_id, activity_type, direction, status, created_at)
values ('ACprobe', 'message', 'outgoing', 'queued', '2100-01-04 08:59:58.000000');

insert into webhook_event (event_id, event_type, payload, processed, created_at)
values
    ('EVprobe1', 'message.delivered', '{}', 0, '1970-01-01 00:00:00.000000'),
    ('EVprobe2', 'message.delivered', '{}', 0, '1970-01-01 00:00:01.000000');

update activity set status = 'delivered' where openphone_id = 'ACprobe';

update webhook_event set processed = 1, processed_at = '2100-01-04 09:00:02.000000' where event_id = 'EVprobe1';

select 'the activity is not matched' as fault
where not exists (select 1 from activity as a where a.openphone_id = 'ACprobe' and a.status = 'delivered')
union all
select 'the event is not known when it comes again'
where not exists (select 1 from webhook_event as e where e.event_id = 'EVprobe1' and e.processed)
union all
select 'another event waits longest: ' || w.event_id
from (select e.event_id from webhook_event as e where not e.processed order by e.created_at limit 1) as w
where w.event_id <> 'EVprobe2'
"""
---*/
create temporary table probe_seen (what text, found text) on commit drop;

insert into activity (openphone_id, activity_type, direction, status, created_at)
values ('ACprobe', 'message', 'outgoing', 'queued', timestamp '2100-01-04 08:59:58');

insert into webhook_event (event_id, event_type, payload, created_at)
values
    ('EVprobe1', 'message.delivered', '{"object":{"id":"ACprobe"}}', timestamp '1970-01-01 00:00:00'),
    ('EVprobe2', 'message.delivered', '{"object":{"id":"ACother"}}', timestamp '1970-01-01 00:00:01');

insert into probe_seen
select 'waiting', string_agg(w.event_id, ' ' order by w.created_at)
from (
    select e.event_id, e.created_at
    from webhook_event as e
    where not e.processed
    order by e.created_at
    limit 2
) as w;

update activity
set status = 'delivered'
where openphone_id = 'ACprobe';

update webhook_event
set processed = true, processed_at = timestamp '2100-01-04 09:00:02'
where event_id = 'EVprobe1';

insert into probe_seen
select 'waiting afterwards', string_agg(w.event_id, ' ' order by w.created_at)
from (
    select e.event_id, e.created_at
    from webhook_event as e
    where not e.processed
    order by e.created_at
    limit 1
) as w;

insert into probe_seen
select 'matched', string_agg(a.status, ' ') from activity as a where a.openphone_id = 'ACprobe'
union all
select 'known', string_agg(e.processed::text, ' ') from webhook_event as e where e.event_id = 'EVprobe1'
union all
select 'unknown', string_agg(e.processed::text, ' ') from webhook_event as e where e.event_id = 'EVprobe3';

select w.what || ': ' || coalesce(s.found, 'nothing') || ' instead of ' || coalesce(w.found, 'nothing') as fault
from (
    values
        ('waiting', 'EVprobe1 EVprobe2'), ('waiting afterwards', 'EVprobe2'), ('matched', 'delivered'), ('known', 'true'),
        ('unknown', null)
) as w (what, found)
left join probe_seen as s using (what)
where s.found is distinct from w.found
order by fault;
