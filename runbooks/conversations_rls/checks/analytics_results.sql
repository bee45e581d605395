/*---
title = "Analytics: the view and the queries count for each user exactly their organisations' conversations"
writes = true
after_rollback = false # it tries what the migration brings
---*/
-- The user of the most organisations, one of two, one of one, and one of none.
create temporary table probe_readers on commit drop as
select distinct on (least(m.orgs, 3)) m.user_id as reader, m.orgs
from (
    select o.user_id, count(*) as orgs
    from organization_members as o
    group by o.user_id
) as m
order by least(m.orgs, 3), m.orgs desc, m.user_id;

insert into probe_readers values ('00000000-0000-0000-0000-000000000000', 0);

-- What they should see, counted by the owner from the domains, for which no policy and no org_id is asked.
create temporary table probe_expected on commit drop as
select r.reader, d.org_id, c.domain_id, (c.started_at at time zone 'UTC')::date as day, c.status, count(*) as conversations,
    count(c.ended_at) as ended
from probe_readers as r
join organization_members as m on m.user_id = r.reader
join domains as d on d.org_id = m.org_id
join conversations as c on c.domain_id = d.id
group by 1, 2, 3, 4, 5;

create temporary table probe_seen (
    reader uuid, way text, org_id uuid, domain_id uuid, day date, status text, conversations bigint, ended bigint
) on commit drop;

grant insert on probe_seen to authenticated;

set local row_security = on;

do $$
declare
    one record;
begin
    for one in select r.reader from probe_readers as r loop
        perform set_config('request.jwt.claims', jsonb_build_object('sub', one.reader)::text, true);
        set local role authenticated;
        insert into probe_seen
        select one.reader, 'view', v.org_id, v.domain_id, v.day, v.status, v.conversations, v.ended
        from conversation_analytics as v;
        insert into probe_seen
        select one.reader, 'query', c.org_id, c.domain_id, (c.started_at at time zone 'UTC')::date, c.status, count(*), count(c.ended_at)
        from conversations as c
        group by 3, 4, 5, 6;
        reset role;
    end loop;
end
$$;

select w.way || ': ' || count(*)::text || ' rows of a user of ' || r.orgs::text || ' organisations are missing, too many or wrong' as fault
from probe_readers as r
cross join (values ('view'), ('query')) as w (way)
join lateral (
    (
        select e.org_id, e.domain_id, e.day, e.status, e.conversations, e.ended from probe_expected as e where e.reader = r.reader
        except
        select s.org_id, s.domain_id, s.day, s.status, s.conversations, s.ended from probe_seen as s where s.reader = r.reader and s.way = w.way
    )
    union all
    (
        select s.org_id, s.domain_id, s.day, s.status, s.conversations, s.ended from probe_seen as s where s.reader = r.reader and s.way = w.way
        except
        select e.org_id, e.domain_id, e.day, e.status, e.conversations, e.ended from probe_expected as e where e.reader = r.reader
    )
) as wrong on true
group by w.way, r.reader, r.orgs
order by fault;
