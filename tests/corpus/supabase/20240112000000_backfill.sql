-- expect: round-trip
-- setup: supabase.sql
alter table public.contacts add column phone_normalized text;
update public.contacts set phone_normalized = regexp_replace(phone, '\D', '', 'g') where phone is not null and phone_normalized is null;
create index contacts_phone_normalized on public.contacts (phone_normalized);
