/*---
title = "An application of many tenants, guarded by row level security alone"

[roles]
tenants_anon = "nologin"
tenants_user = "nologin"
tenants_service = "nologin bypassrls"
tenants_owner = "nologin"

[[expected]]
lint = "rls_without_policy"
object = "public.audit_log"
level = "important"
why = "tenants_user has SELECT and sees nothing"
[[expected]]
lint = "rls_without_policy"
object = "private.jobs"
level = "noted"
why = "locked on purpose: only tenants_service has privileges"
[[expected]]
lint = "policy_without_rls"
object = "public.webhooks"
level = "important"
why = "a policy that nothing switches on"
[[expected]]
lint = "policy_missing_command"
object = "public.files"
level = "routine"
why = "tenants_user may delete by privilege, no policy lets it"
[[expected]]
lint = "policies_permissive_many"
object = "public.projects"
level = "routine"
why = "two for SELECT: members, and public projects"
[[expected]]
lint = "policy_always_true"
object = 'public.feedback: "Anyone can insert"'
level = "important"
why = "anybody may insert any row"
[[expected]]
lint = "policy_always_true"
object = 'public.plans: "Plans are public"'
level = "noted"
why = "for SELECT, on purpose"
[[expected]]
lint = "policy_always_true"
object = 'public.tasks: service'
level = "noted"
why = "for a role that bypasses row security anyway"
[[expected]]
lint = "policy_function_per_row"
object = 'public.tasks: "Own tasks"'
level = "important"
why = "12,000 rows, auth.uid() for each"
[[expected]]
lint = "policy_function_per_row"
object = 'public.projects: "Members see projects"'
level = "routine"
why = "a helper that takes the row's column"
[[expected]]
lint = "policy_function_per_row"
object = 'public.files: "Tenant files"'
level = "routine"
why = "the claim is wrapped once and bare once"
[[expected]]
lint = "policy_function_per_row"
object = 'public.files: "Upload"'
level = "routine"
why = "bare in WITH CHECK"
[[expected]]
lint = "policy_column_without_index"
object = "public.tasks.owner_id"
level = "important"
why = "12,000 rows; the index on it is partial"
[[expected]]
lint = "fk_without_index"
object = "public.tasks (owner_id)"
level = "routine"
why = "the same partial index"
[[expected]]
lint = "query_unbounded"
object = "query all_files"
level = "routine"
why = "2,500 rows, no LIMIT"

[[never]]
lint = "policy_function_per_row"
object = 'public.members: "Own memberships"'
why = "the call is wrapped"
[[never]]
lint = "policy_function_per_row"
object = 'public.invoices: "Billing"'
why = "wrapped inside the sub-select"
[[never]]
lint = "policies_permissive_many"
object = "public.tasks"
why = "tenants_service bypasses policies, so only one applies to anybody"
[[never]]
lint = "policies_permissive_many"
object = "public.invoices"
why = "the second is restrictive"
[[never]]
lint = "policy_missing_command"
object = "public.invoices"
why = "SELECT is all that is granted"
[[never]]
lint = "policy_missing_command"
object = "public.plans"
why = "SELECT is all that is granted; its owner and tenants_service are bound by no policy"
[[never]]
lint = "policy_always_true"
object = 'public.invoices: "Only while the account is active"'
why = "restrictive, and it depends on the row"
[[never]]
lint = "policy_column_without_index"
object = "public.files.tenant_id"
why = "indexed"
[[never]]
lint = "policy_column_without_index"
object = "public.members.user_id"
why = "indexed"
[[never]]
lint = "rls_without_policy"
object = "public.currencies"
why = "row security is off, there is no policy, and nothing to hide"
[[never]]
lint = "policy_without_rls"
object = "public.currencies"
why = "it has no policy"

[[allowed]]
lint = "policy_missing_command"
object = "public.feedback"
why = "INSERT alone is granted"
[[allowed]]
lint = "policy_column_without_index"
object = "public.projects.tenant_id"
why = "compared in the helper only; it is indexed anyway"
---*/
create schema auth;
create schema private;
create function auth.uid() returns uuid language sql stable as $$ select nullif(current_setting('request.jwt.sub', true), '')::uuid $$;
create function auth.claim(name text) returns text language sql stable as $$ select current_setting('request.jwt.claim.' || name, true) $$;
create table auth.users (id uuid primary key, email text not null unique);
create table tenants (id uuid primary key, name text not null, active boolean not null default true);
create table members (
  tenant_id uuid references tenants on delete cascade,
  user_id uuid references auth.users on delete cascade,
  role text not null,
  primary key (tenant_id, user_id)
);
create index members_user on members (user_id);
create function private.is_member(wanted uuid) returns boolean language sql stable security definer set search_path = '' as
  $$ select exists (select from public.members where tenant_id = wanted and user_id = (select auth.uid())) $$;
create table projects (
  id uuid primary key,
  tenant_id uuid not null references tenants,
  public boolean not null,
  name text not null
);
create index projects_tenant on projects (tenant_id);
create table tasks (
  id bigint generated always as identity primary key,
  project_id uuid not null references projects,
  owner_id uuid references auth.users,
  done boolean not null,
  title text not null
);
create index tasks_project on tasks (project_id);
create index tasks_owner_open on tasks (owner_id) where not done;
create table files (
  id bigint generated always as identity primary key,
  tenant_id uuid not null references tenants,
  owner_id uuid not null references auth.users,
  path text not null
);
create index files_tenant on files (tenant_id);
create index files_owner on files (owner_id);
create table invoices (id bigint generated always as identity primary key, tenant_id uuid not null references tenants, cents int not null);
create index invoices_tenant on invoices (tenant_id);
create table plans (id int primary key, name text not null);
create table currencies (code char(3) primary key);
create table feedback (id bigint generated always as identity primary key, text text not null);
create table audit_log (id bigint generated always as identity primary key, at timestamptz not null, what text not null);
create table webhooks (id bigint generated always as identity primary key, tenant_id uuid not null references tenants, url text not null);
create index webhooks_tenant on webhooks (tenant_id);
create table private.jobs (id bigint generated always as identity primary key, payload jsonb not null);
insert into auth.users select md5('u' || i)::uuid, 'u' || i || '@example.net' from generate_series(1, 2000) i;
insert into tenants select md5('t' || i)::uuid, 'Tenant ' || i from generate_series(1, 200) i;
insert into members select md5('t' || (1 + i % 200))::uuid, md5('u' || i)::uuid, 'member' from generate_series(1, 2000) i;
insert into projects select md5('p' || i)::uuid, md5('t' || (1 + i % 200))::uuid, i % 20 = 0, 'Project ' || i from generate_series(1, 1500) i;
insert into tasks (project_id, owner_id, done, title)
  select md5('p' || (1 + i % 1500))::uuid, md5('u' || (1 + i % 2000))::uuid, i % 4 > 0, 'Task ' || i from generate_series(1, 12000) i;
insert into files (tenant_id, owner_id, path) select md5('t' || (1 + i % 200))::uuid, md5('u' || (1 + i % 2000))::uuid, '/f/' || i from generate_series(1, 2500) i;
insert into invoices (tenant_id, cents) select md5('t' || (1 + i % 200))::uuid, i from generate_series(1, 1500) i;
insert into plans select i, 'Plan ' || i from generate_series(1, 4) i;
insert into currencies values ('EUR'), ('USD');
insert into feedback (text) select 'good' from generate_series(1, 300);
insert into audit_log (at, what) select now() - interval '400 days' * (1 - i / 1500.0), 'login' from generate_series(1, 1500) i;
insert into webhooks (tenant_id, url) select md5('t' || i)::uuid, 'https://example.net/' || i from generate_series(1, 200) i;
alter table plans owner to tenants_owner;
alter table members enable row level security;
alter table projects enable row level security;
alter table tasks enable row level security;
alter table files enable row level security;
alter table invoices enable row level security;
alter table plans enable row level security;
alter table feedback enable row level security;
alter table audit_log enable row level security;
alter table private.jobs enable row level security;
grant usage on schema public, auth to tenants_anon, tenants_user, tenants_service;
grant all on all tables in schema public, private to tenants_service;
grant select on members, projects, invoices, audit_log, webhooks, currencies to tenants_user;
grant select, insert, update, delete on tasks, files to tenants_user;
grant select on plans to tenants_anon, tenants_user;
grant insert on feedback to tenants_anon, tenants_user;
create policy "Own memberships" on members for select to tenants_user using (user_id = (select auth.uid()));
create policy "Members see projects" on projects for select to tenants_user using (private.is_member(tenant_id));
create policy "Public projects" on projects for select using (public);
create policy "Own tasks" on tasks to tenants_user using (owner_id = auth.uid()) with check (owner_id = (select auth.uid()));
create policy service on tasks to tenants_service using (true);
create policy "Tenant files" on files for select to tenants_user
  using (tenant_id = (select auth.claim('tenant'))::uuid or owner_id = auth.uid() and auth.claim('role') = 'admin');
create policy "Upload" on files for insert to tenants_user with check (tenant_id::text = auth.claim('tenant'));
create policy "Rename" on files for update to tenants_user using (owner_id = (select auth.uid()));
create policy "Billing" on invoices for select to tenants_user using (
  exists (select from members m where m.tenant_id = invoices.tenant_id and m.user_id = (select auth.uid()) and m.role = 'owner'));
create policy "Only while the account is active" on invoices as restrictive for select to tenants_user
  using (tenant_id in (select id from tenants where active));
create policy "Plans are public" on plans for select using (true);
create policy "Anyone can insert" on feedback for insert to tenants_anon, tenants_user with check (true);
create policy "Tenant" on webhooks for all to tenants_user using (tenant_id = (select auth.claim('tenant'))::uuid);

-- workload: 110 tasks_of_project
select id, title, done from tasks where project_id = md5('p' || :k)::uuid order by id;
-- workload: 8 all_files
select id, path from files;
-- workload: 100 membership
select tenant_id, role from members where user_id = md5('u' || :k)::uuid;
