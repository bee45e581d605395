/*---
title = "Dashboard, calls of both kinds: a page out of twice its length of each table"
replaces = "dashboard_all_mixed"
same = "page"
page = ["page_length", "skipped"]
gates = false # from the third page on the rows may be missing, from the fifth on all of them are
order = "created_at desc, id desc"
harmless = ["page_length", "skipped"]
weight = 3
---*/
-- "inboundQuery.limit(limit * 2)", whatever the page: what both fetched is merged, sorted and sliced.
select *
from (
    (
        select c.*, 'inbound' as call_type
        from call_logs as c
        where c.org_id = :'org'::uuid
        order by c.created_at desc, c.id desc
        limit 2 * :'page_length'::integer
    )
    union all
    (
        select o.*, 'outbound'
        from outbound_calls as o
        where o.org_id = :'org'::uuid
        order by o.created_at desc, o.id desc
        limit 2 * :'page_length'::integer
    )
) as fetched
order by created_at desc, id desc
limit :'page_length'::integer
offset :'skipped'::integer;
