-- The application's ten tables before the change: primary keys, foreign keys, and the nine
-- secondary indexes that the document lists under "Current Indexes (Before Optimization)".
-- There are no others: sms_messages, for one, has none but its primary key.
--
-- Into an empty database, by psql alone:
--   export PGOPTIONS='-c pgrunbook.scale=1 -c pgrunbook.seed=42'
--   psql -X -v ON_ERROR_STOP=1 -d DATABASE -f schema.sql -f data.sql

create table organizations (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    phone_number text not null,
    timezone text not null default 'UTC',
    created_at timestamptz not null default now()
);

-- A person who answers calls. The twelve counters are kept by increment_call_counters(), below.
create table voip_users (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references organizations on delete cascade,
    email text not null,
    role text not null default 'agent' check (role in ('admin', 'agent')),
    is_available boolean not null default true,
    inbound_calls_daily integer not null default 0,
    inbound_calls_weekly integer not null default 0,
    inbound_calls_monthly integer not null default 0,
    inbound_calls_yearly integer not null default 0,
    outbound_calls_daily integer not null default 0,
    outbound_calls_weekly integer not null default 0,
    outbound_calls_monthly integer not null default 0,
    outbound_calls_yearly integer not null default 0,
    total_calls_daily integer not null default 0,
    total_calls_weekly integer not null default 0,
    total_calls_monthly integer not null default 0,
    total_calls_yearly integer not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

-- A call knows the other side by its number only; the contact's name is found by that number.
create table calls (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references organizations on delete cascade,
    twilio_call_sid text,
    direction text not null check (direction in ('inbound', 'outbound')),
    from_number text not null,
    to_number text not null,
    status text not null default 'queued'
        check (status in ('queued', 'ringing', 'in-progress', 'completed', 'busy', 'no-answer', 'failed', 'canceled')),
    assigned_to uuid references voip_users on delete set null,
    answered_by_user_id uuid references voip_users on delete set null,
    duration_seconds integer,
    recording_url text,
    created_at timestamptz not null default now(),
    answered_at timestamptz,
    ended_at timestamptz,
    updated_at timestamptz not null default now()
);

create index calls_organization_id_idx on calls (organization_id);
create index calls_answered_by_user_id_idx on calls (answered_by_user_id);
create index calls_twilio_call_sid_idx on calls (twilio_call_sid);
create index calls_status_idx on calls (status);
create index calls_created_at_idx on calls (created_at desc);
create index calls_direction_idx on calls (direction);

-- Two contacts of one organisation may share a number, and the same person may be known to several organisations.
create table contacts (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references organizations on delete cascade,
    first_name text,
    last_name text,
    phone text,
    email text,
    company text,
    notes text,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

-- The calls that ring or are talked on now; the row goes when the call ends.
create table active_calls (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references organizations on delete cascade,
    call_id uuid not null references calls on delete cascade,
    twilio_call_sid text not null,
    agent_id uuid references voip_users on delete set null,
    status text not null default 'ringing' check (status in ('ringing', 'connected')),
    started_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

-- Who picked up first. The primary key is the whole of the race prevention: of all the agents
-- whose phones ring, one can insert the row. It may come before the call's own row, so no foreign key.
create table call_claims (
    twilio_call_sid text primary key,
    organization_id uuid not null references organizations on delete cascade,
    claimed_by uuid not null references voip_users on delete cascade,
    claimed_at timestamptz not null default now()
);

create table ring_events (
    id bigint generated always as identity primary key,
    organization_id uuid not null references organizations on delete cascade,
    call_id uuid not null references calls on delete cascade,
    agent_id uuid not null references voip_users on delete cascade,
    event_type text not null check (event_type in ('ring', 'answer', 'decline', 'cancel')),
    created_at timestamptz not null default now()
);

-- One thread a number and organisation, which the application keeps so by looking before it inserts.
create table sms_conversations (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references organizations on delete cascade,
    contact_id uuid references contacts on delete set null,
    contact_phone_number text not null,
    last_message_at timestamptz not null default now(),
    last_message_preview text,
    unread_count integer not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create index sms_conversations_org_id_idx on sms_conversations (organization_id);
create index sms_conversations_contact_id_idx on sms_conversations (contact_id);
create index sms_conversations_last_message_idx on sms_conversations (last_message_at desc);

create table sms_messages (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references organizations on delete cascade,
    conversation_id uuid not null references sms_conversations on delete cascade,
    twilio_message_sid text,
    direction text not null check (direction in ('inbound', 'outbound')),
    from_number text not null,
    to_number text not null,
    body text,
    media_count integer not null default 0,
    status text not null default 'queued'
        check (status in ('queued', 'sent', 'delivered', 'undelivered', 'failed', 'received')),
    sent_by uuid references voip_users on delete set null,
    created_at timestamptz not null default now()
);

create table sms_message_events (
    id bigint generated always as identity primary key,
    message_id uuid not null references sms_messages on delete cascade,
    event_type text not null check (event_type in ('queued', 'sent', 'delivered', 'undelivered', 'failed')),
    error_code integer,
    created_at timestamptz not null default now()
);

-- The application calls this once a call: an increment can't be said through its REST interface.
create function increment_call_counters(counted_user uuid, counted_direction text) returns void
language sql
as $$
    update voip_users
    set inbound_calls_daily = inbound_calls_daily + (counted_direction = 'inbound')::integer,
        inbound_calls_weekly = inbound_calls_weekly + (counted_direction = 'inbound')::integer,
        inbound_calls_monthly = inbound_calls_monthly + (counted_direction = 'inbound')::integer,
        inbound_calls_yearly = inbound_calls_yearly + (counted_direction = 'inbound')::integer,
        outbound_calls_daily = outbound_calls_daily + (counted_direction = 'outbound')::integer,
        outbound_calls_weekly = outbound_calls_weekly + (counted_direction = 'outbound')::integer,
        outbound_calls_monthly = outbound_calls_monthly + (counted_direction = 'outbound')::integer,
        outbound_calls_yearly = outbound_calls_yearly + (counted_direction = 'outbound')::integer,
        total_calls_daily = total_calls_daily + 1,
        total_calls_weekly = total_calls_weekly + 1,
        total_calls_monthly = total_calls_monthly + 1,
        total_calls_yearly = total_calls_yearly + 1,
        updated_at = now()
    where id = counted_user
$$;
