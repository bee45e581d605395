-- expect: irreversible: no known kind
-- setup: supabase.sql
alter publication supabase_realtime add table public.calls;
