/*---
title = "idx_webhook_event_id, \"to prevent duplicates\": no event can be written twice"
gates = false # it can: the document's index is not unique
harmless = true
sqlite = """
select 'idx_webhook_event_id' as index_name,
    'is not unique: it finds an event that is there, and keeps nobody from writing it again' as fault
where not exists (
    select 1
    from pragma_index_list('webhook_event') as l
    where l."unique" and not l.partial and (select group_concat(i.name) from pragma_index_info(l.name) as i) = 'event_id'
)
union all
select 'idx_webhook_event_id',
    count(*) || ' events are there more than once already; before they are gone, no unique index can be built'
from (select e.event_id from webhook_event as e group by e.event_id having count(*) > 1)
having count(*) > 0
order by fault desc
"""
---*/
select 'idx_webhook_event_id' as index_name,
    'is not unique: it finds an event that is there, and keeps nobody from writing it again' as fault
where not exists (
    select
    from pg_catalog.pg_index as x
    join pg_catalog.pg_attribute as a on a.attrelid = x.indrelid and a.attnum = x.indkey[0]
    where x.indrelid = pg_catalog.to_regclass('webhook_event')
        and a.attname = 'event_id'
        and x.indnkeyatts = 1
        and x.indisunique and x.indisvalid and x.indpred is null
)
union all
select 'idx_webhook_event_id',
    count(*)::text || ' events are there more than once already; before they are gone, no unique index can be built'
from (select e.event_id from webhook_event as e group by e.event_id having count(*) > 1) as twice
having count(*) > 0
order by fault desc;
