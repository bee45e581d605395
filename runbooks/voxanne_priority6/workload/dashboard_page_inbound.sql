/*---
title = "Dashboard, inbound calls: one page of twenty, cut out in the database"
replaces = "dashboard_all_inbound"
same = "page"
page = ["page_length", "skipped"]
order = "created_at desc, id desc"
harmless = ["page_length", "skipped"]
weight = 3
---*/
-- "inboundQuery.range(offset, offset + limit - 1)"
select *
from call_logs
where org_id = :'org'::uuid
order by created_at desc, id desc
limit :'page_length'::integer
offset :'skipped'::integer;
