-- expect: irreversible: rows of public.calls
-- setup: supabase.sql
drop table if exists public.calls cascade;
