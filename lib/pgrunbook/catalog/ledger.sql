-- pgrunbook's ledger: what each run did to this database, and what it owns.
-- {schema} is the schema's name, {role} the role that runs the runbooks.
create schema if not exists {schema};
revoke all on schema {schema} from public;

create table if not exists {schema}.run (
  run_id text primary key,
  runbook text not null,
  digest text not null,
  system_identifier text not null,
  database_name text not null,
  search_path text[] not null,
  status text not null check (status in ('running', 'applied', 'rolling_back', 'rolled_back')),
  fingerprint jsonb not null,
  role_name text not null default session_user,
  tool_version text not null,
  started_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  rolled_back_at timestamptz
);

create table if not exists {schema}.step (
  run_id text not null references {schema}.run,
  position integer not null,
  kind text not null,
  object text not null,
  relation text not null,
  resolved_sql text not null,
  options jsonb not null,
  status text not null check (status in ('started', 'applied', 'already', 'undone', 'kept')),
  owned boolean not null,
  captured jsonb not null,
  detail text not null default '',
  started_at timestamptz not null default clock_timestamp(),
  finished_at timestamptz,
  primary key (run_id, position)
);

revoke all on all tables in schema {schema} from public;
