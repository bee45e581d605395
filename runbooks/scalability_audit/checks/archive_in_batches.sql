/*---
title = "Status changes and page views of before the last ninety days go into an archive, batch by batch, and none is lost"
writes = true
---*/
create temporary table probe_bounds on commit drop as
select max(c.changed_at) - interval '90 days' as before
from agent_status_changes as c;

create temporary table probe_before on commit drop as
select 'agent_status_changes' as kind, count(*) as rows, count(*) filter (where c.changed_at < b.before) as old
from agent_status_changes as c, probe_bounds as b
union all
select 'widget_pageviews', count(*), count(*) filter (where v.created_at < b.before)
from widget_pageviews as v, probe_bounds as b;

create temporary table probe_archive_changes (like agent_status_changes) on commit drop;
create temporary table probe_archive_views (like widget_pageviews) on commit drop;

-- A batch is one statement, so that no row is in both places or in neither. Ten of each are enough to see that it works.
do $$
declare
    bound timestamptz := (select b.before from probe_bounds as b);
begin
    for batch in 1 .. 10 loop
        with gone as (
            delete from agent_status_changes
            where id in (select c.id from agent_status_changes as c where c.changed_at < bound limit 500)
            returning *
        )
        insert into probe_archive_changes select * from gone;
        with gone as (
            delete from widget_pageviews
            where id in (select v.id from widget_pageviews as v where v.created_at < bound order by v.created_at limit 500)
            returning *
        )
        insert into probe_archive_views select * from gone;
    end loop;
end
$$;

with after as (
    select 'agent_status_changes' as kind,
        (select count(*) from agent_status_changes) as rows,
        (select count(*) from probe_archive_changes) as archived,
        (select count(*) from probe_archive_changes as c, probe_bounds as b where c.changed_at >= b.before) as too_new
    union all
    select 'widget_pageviews',
        (select count(*) from widget_pageviews),
        (select count(*) from probe_archive_views),
        (select count(*) from probe_archive_views as v, probe_bounds as b where v.created_at >= b.before)
)
select a.kind || ': ' || a.rows::text || ' rows and ' || a.archived::text || ' in the archive, of ' || b.rows::text as fault
from probe_before as b
join after as a on a.kind = b.kind
where a.rows + a.archived <> b.rows or a.archived <> least(b.old, 5000)
union all
select a.kind || ': ' || a.too_new::text || ' rows of the last ninety days are in the archive'
from after as a
where a.too_new > 0
union all
select k.conrelid::pg_catalog.regclass::text || ' refers to it: archived rows would be missed there'
from pg_catalog.pg_constraint as k
where k.contype = 'f' and k.confrelid in ('agent_status_changes'::pg_catalog.regclass, 'widget_pageviews'::pg_catalog.regclass);
