-- expect: round-trip
-- setup: supabase.sql
create or replace view public.call_summary with (security_invoker = true) as
  select c.org_id, date_trunc('day', c.started_at) as day, count(*) as calls, avg(c.duration_seconds) as seconds
  from public.calls c group by 1, 2;
grant select on public.call_summary to authenticated;
