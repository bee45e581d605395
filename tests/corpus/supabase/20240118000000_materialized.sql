-- expect: round-trip
-- setup: supabase.sql
create materialized view public.org_stats as
  select o.id as org_id, count(c.id) as calls from public.organizations o left join public.calls c on c.org_id = o.id group by o.id;
create unique index org_stats_org on public.org_stats (org_id);
revoke all on public.org_stats from anon;
