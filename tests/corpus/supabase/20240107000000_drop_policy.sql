-- expect: round-trip
-- setup: supabase.sql
drop policy if exists "Profiles are public" on public.profiles;
create policy "Own profile" on public.profiles for select using ((select auth.uid()) = id);
create policy "Update own" on public.profiles for update using ((select auth.uid()) = id) with check ((select auth.uid()) = id);
