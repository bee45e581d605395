/*---
title = "What the mixed pages lack: with all rows up to the page's end out of each table, every page is right"
---*/
-- offset + limit rows of each table instead of twice the limit. The busiest organisation: pages 1 to 8, one far in, the last.
with busiest as (
    select c.org_id, count(*) as inbound, (select count(*) from outbound_calls as o where o.org_id = c.org_id) as outbound
    from call_logs as c
    group by c.org_id
    order by count(*) desc, c.org_id
    limit 1
),
wanted as (
    select
        d.id,
        row_number() over (order by d.created_at desc, d.id desc) as place
    from busiest as b
    cross join lateral (
        select c.id, c.created_at from call_logs as c where c.org_id = b.org_id
        union all
        select o.id, o.created_at from outbound_calls as o where o.org_id = b.org_id
    ) as d
),
pages as (
    select b.org_id, p.page, 20 * (p.page - 1) as skipped
    from busiest as b
    cross join lateral (
        select generate_series(1, 8) as page
        union
        select (b.inbound + b.outbound + 39) / 40
        union
        select (b.inbound + b.outbound + 19) / 20
    ) as p
),
cut_out as (
    select p.page, p.skipped + row_number() over (partition by p.page order by g.created_at desc, g.id desc) as place, g.id
    from pages as p
    cross join lateral (
        select fetched.*
        from (
            (
                select c.id, c.created_at
                from call_logs as c
                where c.org_id = p.org_id
                order by c.created_at desc, c.id desc
                limit p.skipped + 20
            )
            union all
            (
                select o.id, o.created_at
                from outbound_calls as o
                where o.org_id = p.org_id
                order by o.created_at desc, o.id desc
                limit p.skipped + 20
            )
        ) as fetched
        order by fetched.created_at desc, fetched.id desc
        limit 20
        offset p.skipped
    ) as g
),
asked as (
    select p.page, w.place, w.id
    from pages as p
    join wanted as w on w.place > p.skipped and w.place <= p.skipped + 20
)
select page, place, 'another row than in the whole list' as fault
from asked as a
full join cut_out as c using (page, place)
where a.id is distinct from c.id
order by page, place;
