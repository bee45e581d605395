-- Give ids to names that have none, and the ids of all; {schema} is the ledger's, and nobody else adds at this moment.
with wanted as (
  select distinct on (u.kind, u.name) u.kind, u.name, u.says
  from unnest(%(kinds)s::text[], %(names)s::text[], %(says)s::text[]) u(kind, name, says)
  order by u.kind, u.name
),
added as (
  insert into {schema}.watched (kind, name, says)
  select w.kind, w.name, w.says
  from wanted w
  where not exists (select from {schema}.watched k where k.kind = w.kind and k.name = w.name)
  order by w.kind, w.name
  returning id, kind, name, says, probes
)
select a.id, a.kind, a.name, a.says, a.probes
from added a
union all
select k.id, k.kind, k.name, k.says, k.probes
from {schema}.watched k
join wanted w on w.kind = k.kind and w.name = k.name
order by 1
