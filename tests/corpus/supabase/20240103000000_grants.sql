-- expect: round-trip
-- setup: supabase.sql
grant delete on table "public"."contacts" to "anon";
grant insert on table "public"."contacts" to "anon";
grant references on table "public"."contacts" to "anon";
grant select on table "public"."contacts" to "anon";
grant trigger on table "public"."contacts" to "anon";
grant truncate on table "public"."contacts" to "anon";
grant update on table "public"."contacts" to "anon";
