/*---
title = "None of the eighteen indexes is the beginning of another one of its table"
gates = false # one is: a unique constraint begins with its column
harmless = true
sqlite = """
with own as (
    select m.name, m.tbl_name, (select group_concat(i.name) from pragma_index_info(m.name) as i) || ',' as columns
    from sqlite_master as m
    where m.type = 'index' and m.name like 'idx!_%' escape '!'
),
every as (
    select m.tbl_name, l.name, (select group_concat(i.name) from pragma_index_info(l.name) as i) || ',' as columns
    from sqlite_master as m
    cross join pragma_index_list(m.name) as l
    where m.type = 'table' and not l.partial
)
select o.name, 'covered by ' || e.name || ' on ' || o.tbl_name || ' (' || rtrim(e.columns, ',') || ')' as fault
from own as o
join every as e on e.tbl_name = o.tbl_name and e.name <> o.name and substr(e.columns, 1, length(o.columns)) = o.columns
order by o.name
"""
---*/
-- A slice counts from 1.
-- What finds the same rows in the same order: the same first columns, operator classes, collations and directions, for the
-- same rows or for all. An index of equal values is also covered by a B-tree that begins with its column.
with named (index_name) as (
    values
        ('idx_activity_openphone_id'), ('idx_webhook_event_processed'), ('idx_webhook_event_id'),
        ('idx_campaign_membership_status'), ('idx_campaign_membership_sent'), ('idx_contact_phone_hash'),
        ('idx_contact_first_name'), ('idx_contact_last_name'), ('idx_contact_email'), ('idx_contact_flag_type_phone'),
        ('idx_activity_conversation_created'), ('idx_activity_type_created'), ('idx_activity_user'), ('idx_activity_contact'),
        ('idx_conversation_phone_number_id'), ('idx_conversation_contact'), ('idx_appointment_date'), ('idx_invoice_status_due')
),
known as (
    select
        x.indexrelid, x.indrelid, x.indnkeyatts as keys, m.amname as method,
        (x.indkey::int2[])[0:x.indnkeyatts - 1] as columns,
        (x.indclass::oid[])[0:x.indnkeyatts - 1] as classes,
        (x.indcollation::oid[])[0:x.indnkeyatts - 1] as collations,
        (x.indoption::int2[])[0:x.indnkeyatts - 1] as options,
        pg_catalog.pg_get_expr(x.indpred, x.indrelid) as condition
    from pg_catalog.pg_index as x
    join pg_catalog.pg_class as c on c.oid = x.indexrelid
    join pg_catalog.pg_am as m on m.oid = c.relam
    where x.indisvalid and x.indexprs is null and m.amname in ('btree', 'hash')
)
select n.index_name, 'covered by ' || pg_catalog.pg_get_indexdef(l.indexrelid) as fault
from named as n
join known as s on s.indexrelid = pg_catalog.to_regclass(n.index_name)
join known as l on l.indrelid = s.indrelid and l.indexrelid <> s.indexrelid and l.method = 'btree'
where l.columns[1:s.keys] = s.columns
    and l.collations[1:s.keys] = s.collations
    and (s.method = 'hash' or (l.classes[1:s.keys] = s.classes and l.options[1:s.keys] = s.options))
    and (l.condition is null or l.condition = s.condition)
order by n.index_name, fault;
