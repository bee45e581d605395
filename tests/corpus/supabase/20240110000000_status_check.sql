-- expect: round-trip
-- setup: supabase.sql
alter table "public"."calls" add constraint "calls_status_check" CHECK ((status = ANY (ARRAY['queued'::text, 'ringing'::text, 'done'::text, 'failed'::text]))) not valid;
alter table "public"."calls" validate constraint "calls_status_check";
