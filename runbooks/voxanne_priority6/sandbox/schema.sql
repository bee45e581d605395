-- The rehearsal schema: a voice agent platform as it is before the change.
--
-- The document names its tables in passing and prints neither columns nor existing indexes; those here are ours. It says
-- that its five queries scan whole tables, so nothing but primary keys and two unique constraints is here to spare them that.

create table organizations (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    plan text not null default 'starter' check (plan in ('starter', 'growth', 'scale')),
    settings jsonb not null default '{}',
    integrations jsonb not null default '{}',
    created_at timestamptz not null default now()
);

-- Of the whole platform; which of them belongs to an organisation's agents, agents.user_id says.
create table users (
    id uuid primary key default gen_random_uuid(),
    email text not null unique,
    full_name text not null,
    created_at timestamptz not null default now()
);

create table agents (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references organizations on delete cascade,
    user_id uuid not null references users,
    name text not null,
    voice text not null default 'default',
    is_active boolean not null default true,
    created_at timestamptz not null default now()
);

-- How an incoming call is answered, one row an organisation.
create table inbound_agent_config (
    org_id uuid primary key references organizations on delete cascade,
    agent_id uuid not null references agents,
    greeting text not null,
    max_call_seconds integer not null default 900 check (max_call_seconds > 0),
    updated_at timestamptz not null default now()
);

create table services (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references organizations on delete cascade,
    name text not null,
    keywords text[] not null default '{}',
    price numeric(10, 2) not null check (price >= 0),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table contacts (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references organizations on delete cascade,
    name text not null,
    phone_number text not null,
    email text,
    lead_score integer not null default 0 check (lead_score between 0 and 100),
    created_at timestamptz not null default now()
);

-- The document's first check finds this one too: LIKE 'idx_%_org_%' does not ask who made an index.
create unique index idx_contacts_org_phone on contacts (org_id, phone_number);

-- Inbound calls; the caller is known by number only.
create table call_logs (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references organizations on delete cascade,
    agent_id uuid references agents,
    phone_number text not null,
    status text not null check (status in ('ringing', 'in_progress', 'completed', 'missed', 'failed')),
    duration_seconds integer check (duration_seconds >= 0),
    summary text,
    sentiment text check (sentiment in ('positive', 'neutral', 'negative')),
    recording_url text,
    created_at timestamptz not null default now()
);

create table outbound_calls (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references organizations on delete cascade,
    agent_id uuid references agents,
    phone_number text not null,
    status text not null check (status in ('ringing', 'in_progress', 'completed', 'missed', 'failed')),
    duration_seconds integer check (duration_seconds >= 0),
    summary text,
    sentiment text check (sentiment in ('positive', 'neutral', 'negative')),
    recording_url text,
    created_at timestamptz not null default now()
);

create table appointments (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references organizations on delete cascade,
    contact_id uuid not null references contacts on delete cascade,
    service_id uuid references services on delete set null,
    status text not null check (status in ('pending', 'confirmed', 'completed', 'cancelled', 'no_show')),
    scheduled_at timestamptz not null,
    duration_minutes integer not null default 30 check (duration_minutes > 0),
    created_at timestamptz not null default now()
);

create table messages (
    id uuid primary key default gen_random_uuid(),
    org_id uuid not null references organizations on delete cascade,
    contact_id uuid not null references contacts on delete cascade,
    method text not null check (method in ('sms', 'email', 'whatsapp')),
    purpose text not null,
    content text not null,
    created_at timestamptz not null default now()
);
