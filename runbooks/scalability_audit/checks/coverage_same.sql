/*---
title = "hourly_coverage() answers as the loops do: in several organisations, ranges and time zones, over changes of the clock"
---*/
-- The busiest organisation is left to the probe coverage_10000_sessions: here the loops would take seconds.
with newest as (
    select max(s.started_at) as now, (max(s.started_at) at time zone 'UTC')::date as day
    from agent_sessions as s
),
ranked as (
    select s.organization_id as org, row_number() over (order by count(*) desc, s.organization_id) as place
    from agent_sessions as s
    group by s.organization_id
),
asked as (
    select o.org, r.from_day, r.to_day, z.tz, n.now
    from newest as n
    cross join (
        select r.org from ranked as r where r.place between 2 and 4
        union all
        select '00000000-0000-0000-0000-000000000000'::uuid
    ) as o
    cross join lateral (
        values
            (n.day - 29, n.day),                                -- the dashboard's default
            (n.day, n.day),                                     -- today, with sessions that have not ended
            (date '2024-10-20', date '2024-11-10'),             -- clocks go back in Europe and in America
            (n.day - 200, n.day - 170),                         -- where the data begin
            (n.day + 3, n.day + 9),                             -- nothing yet
            (n.day, n.day - 1)                                  -- no day at all
    ) as r (from_day, to_day)
    cross join (values ('UTC'), ('America/New_York'), ('Europe/London'), ('Asia/Kolkata')) as z (tz)
)
select a.org, a.from_day, a.to_day, a.tz, w.hour, w.fault
from asked as a
cross join lateral (
    select coalesce(f.hour, l.hour) as hour,
        pg_catalog.concat(
            f.agent_minutes, ' minutes instead of ', l.agent_minutes,
            ', on average ', f.average_agents, ' instead of ', l.average_agents
        ) as fault
    from hourly_coverage(a.org, a.from_day, a.to_day, a.tz, a.now) as f
    full join hourly_coverage_by_iteration(a.org, a.from_day, a.to_day, a.tz, a.now) as l using (hour)
    where (f.agent_minutes, f.average_agents) is distinct from (l.agent_minutes, l.average_agents)
) as w
order by a.org, a.from_day, a.tz, w.hour;
