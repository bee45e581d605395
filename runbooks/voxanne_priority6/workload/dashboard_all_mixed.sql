/*---
title = "Dashboard, calls of both kinds, the old way: all of both tables; the application cuts the page out"
order = "created_at desc, id desc"
weight = 3
harmless = ["page_length", "skipped"]

[binds]
# pages 1 to 8 of the busiest organisation
common = """
with busiest as (
    select c.org_id
    from call_logs as c
    group by c.org_id
    order by count(*) desc, c.org_id
    limit 1
)
select b.org_id as org, 20 as page_length, 20 * (p.page - 1) as skipped
from busiest as b
cross join generate_series(1, 8) as p (page)
order by p.page
"""
---*/
-- "Fetching ALL calls from both tables, sorting in memory, then slicing."
select c.*, 'inbound' as call_type
from call_logs as c
where c.org_id = :'org'::uuid
union all
select o.*, 'outbound'
from outbound_calls as o
where o.org_id = :'org'::uuid
order by created_at desc, id desc;
