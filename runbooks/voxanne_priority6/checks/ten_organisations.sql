/*---
title = "Ten organisations with more than 1,000 calls each: the first page of each is right, within 250 ms for each"
writes = true
---*/
-- Where there are fewer of them, those with the most calls get as many more as they lack, and it is all rolled back.
create temporary table probe_ten on commit drop as
select o.id as org, coalesce(c.calls, 0) as calls
from organizations as o
left join (select l.org_id, count(*) as calls from call_logs as l group by l.org_id) as c on c.org_id = o.id
order by coalesce(c.calls, 0) desc, o.id
limit 10;

insert into call_logs (org_id, phone_number, status, created_at)
select t.org, '+19005550100', 'missed', timestamptz '1970-01-01 00:00:00+00' + make_interval(mins => n)
from probe_ten as t
cross join lateral generate_series(1, (1001 - t.calls)::integer) as n;

create temporary table probe_pages (org uuid, place bigint, id uuid) on commit drop;

create temporary table probe_times (org uuid, ms double precision) on commit drop;

do $$
declare
    one uuid;
    began timestamptz;
    took double precision;
begin
    for one in select t.org from probe_ten as t loop
        for again in 1 .. 3 loop -- a moment in which the machine did something else is not the page's
            delete from probe_pages where org = one;
            began := clock_timestamp();
            insert into probe_pages
            select one, row_number() over (), p.id
            from (
                select c.id
                from call_logs as c
                where c.org_id = one
                order by c.created_at desc, c.id desc
                limit 20
                offset 0
            ) as p;
            took := 1000 * extract(epoch from clock_timestamp() - began);
            exit when took <= 250;
        end loop;
        insert into probe_times values (one, took);
    end loop;
end
$$;

with placed as (
    select c.org_id, c.id, row_number() over (partition by c.org_id order by c.created_at desc, c.id desc) as place
    from call_logs as c
    join probe_ten as t on t.org = c.org_id
)
select 'only ' || count(*)::text || ' organisations to try it with' as fault
from probe_ten
having count(*) < 10
union all
select 'an organisation''s first page has another row at place ' || coalesce(e.place, p.place)::text
from (select * from placed where place <= 20) as e
full join probe_pages as p on p.org = e.org_id and p.place = e.place
where e.id is distinct from p.id
union all
select 'a first page took ' || round(t.ms::numeric)::text || ' ms'
from probe_times as t
where t.ms > 250
union all
select 'an organisation has ' || count(*)::text || ' calls'
from placed as p
group by p.org_id
having count(*) <= 1000
order by fault;
