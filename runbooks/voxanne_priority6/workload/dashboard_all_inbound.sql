/*---
title = "Dashboard, inbound calls, the old way: all of them; the application cuts the page out"
order = "created_at desc, id desc"
weight = 3
harmless = ["page_length", "skipped"]

[binds]
# pages 1, 2, 10 and the last one of the busiest organisation
common = """
with busiest as (
    select c.org_id, count(*) as calls
    from call_logs as c
    group by c.org_id
    order by count(*) desc, c.org_id
    limit 1
)
select b.org_id as org, 20 as page_length, 20 * (p.page - 1) as skipped
from busiest as b
cross join lateral (values (1), (2), (10), ((b.calls + 19) / 20)) as p (page)
order by p.page
"""
# pages 1 and 10 of the one whose calls are nearest to 1,000
rare = """
with nearest as (
    select c.org_id
    from call_logs as c
    group by c.org_id
    order by abs(count(*) - 1000), c.org_id
    limit 1
)
select n.org_id as org, 20 as page_length, 20 * (p.page - 1) as skipped
from nearest as n
cross join (values (1), (10)) as p (page)
order by p.page
"""
---*/
-- "Dashboard was fetching ALL calls … sorting in memory, then slicing." The sorting is the server's here, so that both ways
-- do the same work; the slicing of what came in is not measured. By id as well, or calls of one moment had no order.
select *
from call_logs
where org_id = :'org'::uuid
order by created_at desc, id desc;
