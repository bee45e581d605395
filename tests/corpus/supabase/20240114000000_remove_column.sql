-- expect: irreversible: column
-- setup: supabase.sql
alter table "public"."contacts" drop column "opted_out";
