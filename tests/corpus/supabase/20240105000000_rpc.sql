-- expect: round-trip
-- setup: supabase.sql
create or replace function public.calls_of(contact uuid, max_rows integer default 20)
returns setof public.calls
language sql
stable
security invoker
as $function$
  select * from public.calls where contact_id = contact order by started_at desc limit max_rows;
$function$;
revoke execute on function public.calls_of(uuid, integer) from public;
grant execute on function public.calls_of(uuid, integer) to authenticated;
