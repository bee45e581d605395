/*---
title = "What the caches hold is in the database at once: the next query has the new price, greeting and setting"
writes = true
---*/
-- That a cache is emptied by each of these writes is the application's; the application model tries it.
create temporary table probe_organisation on commit drop as
select s.org_id as org, min(s.id::text)::uuid as service
from services as s
join inbound_agent_config as i using (org_id)
group by s.org_id
order by s.org_id
limit 1;

update services
set price = 12345.67, updated_at = now()
where id = (select p.service from probe_organisation as p);

update inbound_agent_config
set greeting = 'probe', updated_at = now()
where org_id = (select p.org from probe_organisation as p);

update organizations
set settings = settings || '{"probe": true}'
where id = (select p.org from probe_organisation as p);

select 'nothing to try it with: no organisation has a service and an inbound configuration' as fault
where not exists (select from probe_organisation)
union all
select 'the service has its old price'
from probe_organisation as p
where not exists (select from services as s where s.org_id = p.org and s.id = p.service and s.price = 12345.67)
union all
select 'the old greeting is read'
from probe_organisation as p
where not exists (select from inbound_agent_config as i where i.org_id = p.org and i.greeting = 'probe')
union all
select 'the old settings are read'
from probe_organisation as p
where not exists (select from organizations as o where o.id = p.org and o.settings @> '{"probe": true}')
order by fault;
