-- Thin out the snapshots of a run: of each hour one stays, later of each day one, in the end none; the first day, against
-- which the rest is held, stays by the hour. At most so many at a time.
with thinned as (
  delete from {schema}.snapshot s
  using (
    select o.id
    from (
      select
        a.id,
        a.taken_at,
        a.first,
        pg_catalog.row_number() over (
          partition by
            a.by_day,
            pg_catalog.date_trunc(case when a.by_day then 'day' else 'hour' end, a.taken_at at time zone 'UTC')
          order by a.taken_at desc, a.id desc
        ) as number
      from (
        select
          t.id,
          t.taken_at,
          t.taken_at < f.taken_at + interval '1 day' as first,
          t.taken_at < %(hourly_before)s and t.taken_at >= f.taken_at + interval '1 day' as by_day
        from {schema}.snapshot t
        cross join (
          select pg_catalog.min(m.taken_at) as taken_at
          from {schema}.snapshot m
          where m.runbook = %(runbook)s and m.run_id = %(run_id)s
        ) f
        where t.runbook = %(runbook)s and t.run_id = %(run_id)s and t.taken_at < %(raw_before)s
      ) a
    ) o
    where o.number > 1 or o.taken_at < %(kept_after)s and not o.first
    order by o.id
    limit %(most)s
  ) gone
  where s.id = gone.id
  returning s.id
)
select pg_catalog.count(*)::int4 as number
from thinned
order by 1
