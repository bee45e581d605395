/*---
title = "Dashboard, inbound: a call that just came in is on top of page 1, and all pages together are all calls, each once"
writes = true
---*/
-- Of the organisation whose calls are nearest to 1,000; twenty calls of one moment lie over the border of two pages.
create temporary table probe_dashboard on commit drop as
select c.org_id as org, max(c.created_at) as newest
from call_logs as c
group by c.org_id
order by abs(count(*) - 1000), c.org_id
limit 1;

insert into call_logs (id, org_id, phone_number, status, created_at)
select n.id, p.org, '+19005550101', 'ringing', p.newest + n.after
from probe_dashboard as p
cross join lateral (
    select '00000000-0000-4000-8000-000000000001'::uuid as id, interval '2 minutes' as after
    union all
    select '00000000-0000-4000-8000-000000000002'::uuid, interval '1 minute'
    union all
    select gen_random_uuid(), interval '30 seconds' from generate_series(1, 20)
) as n;

create temporary table probe_pages (id uuid, place bigint generated always as identity) on commit drop;

do $$
declare
    wanted uuid := (select p.org from probe_dashboard as p);
    pages integer := (select (count(*) + 19) / 20 from call_logs as c where c.org_id = wanted);
begin
    for page in 0 .. pages loop
        insert into probe_pages (id)
        select c.id
        from call_logs as c
        where c.org_id = wanted
        order by c.created_at desc, c.id desc
        limit 20
        offset 20 * page;
    end loop;
end
$$;

with expected as (
    select c.id, row_number() over (order by c.created_at desc, c.id desc) as place
    from call_logs as c
    where c.org_id = (select p.org from probe_dashboard as p)
)
select 'nothing to try it with: no organisation has a call' as fault
where not exists (select from probe_dashboard)
union all
select 'the newest call is at place ' || p.place::text
from probe_pages as p
where p.id = '00000000-0000-4000-8000-000000000001' and p.place <> 1
union all
select 'place ' || coalesce(e.place, p.place)::text || ' has '
    || case when p.id is null then 'no call' when e.id is null then 'a call too many' else 'another call' end
from expected as e
full join probe_pages as p on p.place = e.place
where e.id is distinct from p.id
order by fault;
