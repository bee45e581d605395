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

-- What a monitor saw, a row a look. Counters are the server's own, as they stood: only differences mean anything, and
-- only while server_started, counted_since and statements_since are the same. Each list of names goes with lists of equal
-- length; a name is the id of a row of "watched".
create table if not exists {schema}.watched (
  id integer generated always as identity primary key,
  kind text not null check (kind in ('statement', 'aside', 'table', 'index', 'question', 'plan')),
  name text not null,
  says text not null default '',
  probes bigint not null default 0,
  unique (kind, name)
);

create table if not exists {schema}.snapshot (
  id bigint generated always as identity primary key,
  runbook text not null,
  run_id text not null,
  taken_at timestamptz not null,
  system_identifier text not null,
  version integer not null,
  server_started timestamptz not null,
  counted_since timestamptz,
  statements_since timestamptz,
  commits bigint not null,
  rollbacks bigint not null,
  blocks_hit bigint not null,
  blocks_read bigint not null,
  temp_bytes bigint not null,
  deadlocks bigint not null,
  conflicts bigint not null,
  database_bytes bigint,
  connections integer not null,
  waiting integer not null,
  longest_s double precision,
  statements_ms double precision,
  statements_calls bigint,
  statements integer[] not null,
  statement_calls bigint[] not null,
  statement_ms double precision[] not null,
  statement_squares double precision[] not null,
  tables integer[] not null,
  table_bytes bigint[] not null,
  table_rows bigint[] not null,
  table_writes bigint[] not null,
  indexes integer[] not null,
  index_bytes bigint[] not null,
  index_scans bigint[] not null,
  index_probes bigint[] not null,
  index_valid boolean[] not null,
  index_needed boolean[] not null,
  questions integer[] not null,
  plans integer[] not null,
  plan_cost double precision[] not null,
  not_seen jsonb not null default '[]'
);
create index if not exists snapshot_of_run on {schema}.snapshot (runbook, run_id, taken_at, id);

revoke all on {schema}.run, {schema}.step, {schema}.watched, {schema}.snapshot from public;
