/*---
title = "The clean-up deletes what has expired and was never accepted, in batches, and nothing else"
writes = true
---*/
create temporary table probe_cleanup on commit drop as
select max(i.created_at) as now
from invites as i;

-- One just expired, one about to, one expired but accepted in time.
insert into invites (organization_id, invited_by, email, token, expires_at, accepted_at)
select u.organization_id, u.id, n.email, n.email, p.now + n.later, case when n.accepted then p.now - interval '8 days' end
from probe_cleanup as p
cross join (select * from users order by organization_id, id limit 1) as u
cross join (
    values
        ('probe-expired', interval '-1 second', false),
        ('probe-not-yet', interval '1 second', false),
        ('probe-accepted', interval '-1 second', true)
) as n (email, later, accepted);

create temporary table probe_cleanup_expected on commit drop as
select i.id, i.email, i.accepted_at is null and i.expires_at < p.now as goes
from invites as i, probe_cleanup as p;

create temporary table probe_cleanup_batches (rows bigint) on commit drop;

do $$
declare
    deleted bigint;
begin
    loop
        delete from invites
        where id in (
            select i.id
            from invites as i
            where i.accepted_at is null
                and i.expires_at < (select p.now from probe_cleanup as p)
            order by i.expires_at
            limit 500
        );
        get diagnostics deleted = row_count;
        exit when deleted = 0;
        insert into probe_cleanup_batches values (deleted);
    end loop;
end
$$;

select 'nothing to try it with: there are no invites' as fault
from probe_cleanup as p
where p.now is null
union all
select 'a batch of ' || b.rows::text || ' rows'
from probe_cleanup_batches as b
where b.rows > 500
union all
select e.email || case when e.goes then ' is still there' else ' is gone' end
from probe_cleanup_expected as e
left join invites as i on i.id = e.id
where (i.id is null) <> e.goes
union all
select 'the probe''s own: ' || coalesce(string_agg(i.email, ', ' order by i.email), 'none is left')
from invites as i
where i.email like 'probe-%'
having string_agg(i.email, ', ' order by i.email) is distinct from 'probe-accepted, probe-not-yet';
