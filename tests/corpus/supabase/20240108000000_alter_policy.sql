-- expect: round-trip
-- setup: supabase.sql
alter policy "Profiles are public" on public.profiles to authenticated using (org_id is not null);
alter policy "Profiles are public" on public.profiles rename to "Profiles of orgs";
