-- The application's database before the change, as Supabase gives it: a schema auth, three roles, and row level
-- security on conversations and messages with one policy each, for SELECT. Every index has one column.
--
-- Into an empty database, by psql alone, as its owner:
--   export PGOPTIONS='-c pgrunbook.scale=1 -c pgrunbook.seed=42'
--   psql -X -v ON_ERROR_STOP=1 -d DATABASE -f schema.sql -f data.sql

-- Roles belong to the whole server: they may be there from another database, and are never dropped. Two loads at the
-- same time may both find one missing. Only a superuser may grant BYPASSRLS (from version 16 on, whoever has it as well).
do $$
declare
    wanted text;
begin
    foreach wanted in array array['anon', 'authenticated', 'service_role'] loop
        if not exists (select from pg_catalog.pg_roles where rolname = wanted) then
            begin
                execute pg_catalog.format('create role %I nologin noinherit', wanted);
            exception when duplicate_object or unique_violation then
                raise notice 'role % has just been made by another session', wanted;
            end;
        end if;
        -- The sessions that measure what a role sees have to be able to become it.
        if not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
            begin
                execute pg_catalog.format('grant %I to %I', wanted, current_user);
            exception when insufficient_privilege then
                raise notice 'role % is not mine to grant: % has to be a member of it already', wanted, current_user;
            end;
        end if;
    end loop;
    if not (select rolbypassrls from pg_catalog.pg_roles where rolname = 'service_role') then
        begin
            alter role service_role bypassrls;
        exception when insufficient_privilege then
            raise notice 'service_role has no BYPASSRLS, and % may not grant it: it sees what its policies show, nothing',
                current_user;
        end;
    end if;
end
$$;

create schema auth;

create table auth.users (
    id uuid primary key default gen_random_uuid(),
    email text not null,
    created_at timestamptz not null default now()
);

-- Supabase's own. The server inlines it: in a plan it shows up as COALESCE(...)::uuid.
create function auth.uid() returns uuid
language sql stable
as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim.sub', true), ''),
        (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')
    )::uuid
$$;

grant usage on schema auth to anon, authenticated, service_role;
grant execute on function auth.uid() to anon, authenticated, service_role;

create table organizations (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    created_at timestamptz not null default now()
);

create table organization_members (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references organizations on delete cascade,
    user_id uuid not null references auth.users on delete cascade,
    role text not null default 'member' check (role in ('owner', 'admin', 'member', 'support')),
    created_at timestamptz not null default now()
);

create index idx_organization_members_org_id on organization_members (org_id);
create index idx_organization_members_user_id on organization_members (user_id);

-- A site on which the chat widget runs.
create table domains (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references organizations on delete cascade,
    domain text not null,
    created_at timestamptz not null default now()
);

create index idx_domains_org_id on domains (org_id);

-- org_id came later than the rest, by a migration that added the column and left it at that.
create table conversations (
    id uuid primary key default gen_random_uuid(),
    domain_id uuid not null references domains on delete cascade,
    org_id uuid references organizations on delete cascade,
    session_id text not null,
    status text not null default 'active' check (status in ('active', 'waiting', 'resolved', 'escalated')),
    started_at timestamptz not null default now(),
    ended_at timestamptz,
    metadata jsonb default '{}'
);

create index idx_conversations_domain_id on conversations (domain_id);
create index idx_conversations_org_id on conversations (org_id);
create index idx_conversations_session_id on conversations (session_id);
create index idx_conversations_status on conversations (status);
create index idx_conversations_started_at on conversations (started_at);

create table messages (
    id uuid primary key default gen_random_uuid(),
    conversation_id uuid not null references conversations on delete cascade,
    org_id uuid references organizations on delete cascade,
    role text not null check (role in ('user', 'assistant', 'system')),
    content text not null,
    metadata jsonb default '{}',
    created_at timestamptz not null default now()
);

create index idx_messages_conversation_id on messages (conversation_id);
create index idx_messages_org_id on messages (org_id);
create index idx_messages_created_at on messages (created_at);

-- What was there of row level security. The subqueries depend on the row, so they can't be hashed: the server runs
-- each of them, and with it auth.uid(), once for every row that it looks at. Seen on version 18 at scale 1, with
--   begin; set local role authenticated; set local row_security = on;
--   select set_config('request.jwt.claims', jsonb_build_object('sub', user_id)::text, true)
--   from (select user_id from organization_members where role = 'support' limit 1) as operator;
--   explain (analyze) select id from conversations order by started_at desc limit 2132;
-- as "Filter: (ANY ((COALESCE(...))::uuid = (SubPlan 1).col1))" with "SubPlan 1 ... loops=2132": 2,132 evaluations for
-- 2,132 rows; for limits of 100 and 1,000 the same with these numbers. Before version 17 the filter reads "(SubPlan 1)".
-- An uncorrelated form (domain_id in (select ...)), or EXISTS, shows "hashed SubPlan" and "loops=1" instead.
alter table conversations enable row level security;
alter table messages enable row level security;

create policy "Users can view conversations of their organizations" on conversations
    for select
    using (
        auth.uid() in (
            select m.user_id
            from organization_members as m
            join domains as d on d.org_id = m.org_id
            where d.id = conversations.domain_id
        )
    );

-- The policy of conversations counts in here as well: two evaluations a message.
create policy "Users can view messages of their organizations" on messages
    for select
    using (
        auth.uid() in (
            select m.user_id
            from organization_members as m
            join domains as d on d.org_id = m.org_id
            join conversations as c on c.domain_id = d.id
            where c.id = messages.conversation_id
        )
    );

-- Supabase grants everything to all three and leaves the rest to row level security. The three tables that have none
-- here can only be read by clients, because that much the policies above ask for.
grant usage on schema public to anon, authenticated, service_role;
grant all on conversations, messages to anon, authenticated, service_role;
grant select on organizations, organization_members, domains to anon, authenticated;
grant all on organizations, organization_members, domains to service_role;
