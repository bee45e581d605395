-- expect: round-trip
-- setup: supabase.sql
alter table public.contacts enable row level security;
create policy "Members see contacts" on public.contacts for select to authenticated
  using (org_id in (select org_id from public.profiles where id = (select auth.uid())));
create policy "Members add contacts" on public.contacts for insert to authenticated
  with check (org_id in (select org_id from public.profiles where id = (select auth.uid())));
create policy "Service does all" on public.contacts to service_role using (true) with check (true);
