-- expect: round-trip
-- setup: supabase.sql
alter table "public"."profiles" add column "invited_by" uuid;
alter table "public"."profiles" add constraint "profiles_invited_by_fkey" FOREIGN KEY (invited_by) REFERENCES public.profiles(id) ON DELETE SET NULL not valid;
alter table "public"."profiles" validate constraint "profiles_invited_by_fkey";
