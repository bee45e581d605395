-- expect: round-trip
-- setup: supabase.sql
create type "public"."call_direction" as enum ('inbound', 'outbound');
alter table "public"."calls" add column "direction" call_direction not null default 'outbound'::call_direction;
create index calls_inbound on public.calls (org_id) where direction = 'inbound';
