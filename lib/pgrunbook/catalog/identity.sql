-- Which database this is, and what this role is on it.
select
  (select s.system_identifier::text from pg_catalog.pg_control_system() s) as system_identifier,
  pg_catalog.current_database()::text as database,
  pg_catalog.current_setting('server_version_num')::int as version,
  pg_catalog.pg_is_in_recovery() as standby,
  pg_catalog.pg_backend_pid() as backend_pid,
  current_user::text as role,
  coalesce((select r.rolsuper from pg_catalog.pg_roles r where r.rolname = current_user), false) as superuser,
  pg_catalog.has_database_privilege(pg_catalog.current_database(), 'create') as may_create_schema,
  pg_catalog.has_database_privilege(pg_catalog.current_database(), 'temporary') as may_create_temporary,
  pg_catalog.pg_has_role('pg_read_all_stats', 'usage') as sees_all_activity,
  (select s.setting::int from pg_catalog.pg_settings s where s.name = 'deadlock_timeout') as deadlock_timeout_ms
order by 1
