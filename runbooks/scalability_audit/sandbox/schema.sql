-- The application's database as the report finds it: eighteen tables and 109 indexes, primary keys and unique constraints
-- counted. Every index that the report names is here under its name and on its columns. It counts fifteen on call_logs and
-- seven on widget_pageviews, and so on, but does not name them all: the others, and all columns that it does not mention,
-- are ours. Its three gaps are gaps here: call_logs.reconnect_token, invites.expires_at, users.email. Of the foreign keys
-- call_logs.site_id alone has no index.
--
-- Into an empty database, by psql alone:
--   export PGOPTIONS='-c pgrunbook.scale=1 -c pgrunbook.seed=42'
--   psql -X -v ON_ERROR_STOP=1 -d DATABASE -f schema.sql -f data.sql

create table organizations (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    slug text not null,
    plan text not null default 'free' check (plan in ('free', 'starter', 'pro', 'enterprise')),
    subscription_status text not null default 'active'
        check (subscription_status in ('trialing', 'active', 'paused', 'cancelled')),
    stripe_customer_id text,
    time_zone text not null default 'UTC',
    trial_ends_at timestamptz,
    created_at timestamptz not null default now()
);

create unique index idx_organizations_slug on organizations (slug);
create index idx_organizations_plan on organizations (plan, created_at desc);
create index idx_organizations_subscription_status on organizations (subscription_status, created_at desc);
create index idx_organizations_stripe_customer on organizations (stripe_customer_id) where stripe_customer_id is not null;
create index idx_organizations_trial_ends_at on organizations (trial_ends_at) where subscription_status = 'trialing';

-- No index on email: the sign-in looks a user up by it.
create table users (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references organizations on delete cascade,
    email text not null,
    full_name text not null,
    role text not null default 'agent' check (role in ('admin', 'agent')),
    is_platform_admin boolean not null default false,
    last_login_at timestamptz,
    created_at timestamptz not null default now()
);

create index idx_users_organization_id on users (organization_id);
create index idx_users_created_at on users (created_at desc);
create index idx_users_last_login on users (last_login_at desc);
create index idx_users_platform_admin on users (full_name) where is_platform_admin;

create table agent_profiles (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null unique references users on delete cascade,
    organization_id uuid not null references organizations on delete cascade,
    display_name text not null,
    status text not null default 'offline' check (status in ('offline', 'idle', 'in_call', 'away')),
    is_active boolean not null default true,
    deactivated_at timestamptz,
    created_at timestamptz not null default now()
);

create index idx_agent_profiles_organization_id on agent_profiles (organization_id);
create index idx_agent_profiles_status on agent_profiles (status, organization_id);
create index idx_agent_profiles_active on agent_profiles (organization_id, display_name) where is_active;
create index idx_agent_profiles_deactivated on agent_profiles (deactivated_at) where deactivated_at is not null;

-- No index on expires_at: the clean-up looks for what has expired and was never accepted.
create table invites (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references organizations on delete cascade,
    invited_by uuid not null references users on delete cascade,
    email text not null,
    role text not null default 'agent' check (role in ('admin', 'agent')),
    token text not null,
    expires_at timestamptz not null,
    accepted_at timestamptz,
    created_at timestamptz not null default now()
);

create unique index idx_invites_token on invites (token);
create index idx_invites_organization_id on invites (organization_id);
create index idx_invites_invited_by on invites (invited_by);
create index idx_invites_email on invites (email);
create index idx_invites_created_at on invites (created_at desc);

-- A website on which the widget is embedded.
create table sites (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references organizations on delete cascade,
    name text not null,
    domain text not null,
    is_active boolean not null default true,
    verified_at timestamptz,
    created_at timestamptz not null default now(),
    unique (domain, organization_id)
);

create index idx_sites_organization_id on sites (organization_id);
create index idx_sites_active on sites (organization_id, name) where is_active;
create index idx_sites_unverified on sites (created_at) where verified_at is null;
create index idx_sites_created_at on sites (created_at desc);

create table agent_pools (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references organizations on delete cascade,
    name text not null,
    is_catch_all boolean not null default false,
    created_at timestamptz not null default now(),
    unique (name, organization_id)
);

create index idx_agent_pools_organization_id on agent_pools (organization_id);
create unique index idx_agent_pools_catch_all on agent_pools (organization_id) where is_catch_all;
create index idx_agent_pools_created_at on agent_pools (created_at desc);

create table agent_pool_members (
    id uuid primary key default gen_random_uuid(),
    pool_id uuid not null references agent_pools on delete cascade,
    agent_profile_id uuid not null references agent_profiles on delete cascade,
    priority_rank integer not null default 1,
    created_at timestamptz not null default now()
);

create index idx_agent_pool_members_pool_id on agent_pool_members (pool_id);
create index idx_agent_pool_members_agent_profile_id on agent_pool_members (agent_profile_id);
create index idx_agent_pool_members_backup on agent_pool_members (pool_id, priority_rank) where priority_rank > 1;

create table pool_routing_rules (
    id uuid primary key default gen_random_uuid(),
    pool_id uuid not null references agent_pools on delete cascade,
    domain_pattern text not null default '*',
    path_pattern text not null default '*',
    conditions jsonb not null default '[]',
    priority integer not null default 0,
    is_active boolean not null default true,
    created_at timestamptz not null default now()
);

create index idx_pool_routing_rules_pool_id on pool_routing_rules (pool_id);
create index idx_pool_routing_rules_active on pool_routing_rules (pool_id, priority) where is_active;
create index idx_pool_routing_rules_domain on pool_routing_rules (domain_pattern, path_pattern);
create index idx_pool_routing_rules_conditions on pool_routing_rules using gin (conditions);

create table dispositions (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references organizations on delete cascade,
    name text not null,
    color text not null,
    is_primary boolean not null default false,
    is_active boolean not null default true,
    display_order integer not null default 0,
    created_at timestamptz not null default now(),
    unique (name, organization_id)
);

create index idx_dispositions_organization_id on dispositions (organization_id);
create index idx_dispositions_active on dispositions (organization_id, display_order) where is_active;
create unique index idx_dispositions_primary on dispositions (organization_id) where is_primary;

-- A call is pending while it rings and accepted while it is talked on; then it is completed. One that rings in vain is
-- missed or rejected. reconnect_token is what a visitor shows who comes back to a call that broke off. No index on it,
-- and none on site_id.
create table call_logs (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references organizations on delete cascade,
    site_id uuid references sites on delete set null,
    agent_id uuid references agent_profiles on delete set null,
    pool_id uuid references agent_pools on delete set null,
    disposition_id uuid references dispositions on delete set null,
    visitor_id text not null,
    visitor_country_code text,
    status text not null default 'pending' check (status in ('pending', 'accepted', 'completed', 'missed', 'rejected')),
    page_url text not null,
    ring_started_at timestamptz,
    answered_at timestamptz,
    ended_at timestamptz,
    duration_seconds integer,
    recording_url text,
    reconnect_token text,
    reconnect_eligible boolean not null default true,
    last_heartbeat_at timestamptz,
    created_at timestamptz not null default now()
);

create index idx_call_logs_organization_id on call_logs (organization_id);
create index idx_call_logs_agent_id on call_logs (agent_id);
create index idx_call_logs_pool_id on call_logs (pool_id);
create index idx_call_logs_disposition_id on call_logs (disposition_id);
create index idx_call_logs_created_at on call_logs (created_at desc);
create index idx_call_logs_visitor_id on call_logs (visitor_id);
create index idx_call_logs_page_url on call_logs (page_url);
create index idx_call_logs_org_created on call_logs (organization_id, created_at desc);
create index idx_call_logs_org_status_created on call_logs (organization_id, status, created_at desc);
create index idx_call_logs_pool_created on call_logs (pool_id, created_at desc) where pool_id is not null;
create index idx_call_logs_org_country on call_logs (organization_id, visitor_country_code, created_at desc)
    where visitor_country_code is not null;
create index idx_call_logs_org_duration on call_logs (organization_id, duration_seconds) where duration_seconds is not null;
create index idx_call_logs_agent_answered on call_logs (agent_id, answered_at desc) where answered_at is not null;
create index idx_call_logs_recordings on call_logs (organization_id, created_at desc) where recording_url is not null;

-- "Orphaned call recovery optimized (partial index)" is all that the report says of this one. Its condition decides over
-- the report's first finding. Were it status = 'accepted' and reconnect_eligible and ended_at is null, which the recovery
-- asks for, then the server would answer the look-up of a reconnect token from it as well, for that asks for the same and
-- more. The report says that the look-up scans the whole table: so the condition is another one.
create index idx_call_logs_orphaned on call_logs (last_heartbeat_at desc)
    where last_heartbeat_at is not null and ended_at is null;

-- The widget was shown to a visitor: with an agent, or, agent_id being null, with nobody there.
create table widget_pageviews (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references organizations on delete cascade,
    pool_id uuid references agent_pools on delete set null,
    agent_id uuid references agent_profiles on delete set null,
    visitor_id text not null,
    visitor_country_code text,
    page_url text not null,
    created_at timestamptz not null default now()
);

create index idx_widget_pageviews_org_date on widget_pageviews (organization_id, created_at desc);
create index idx_widget_pageviews_pool_date on widget_pageviews (pool_id, created_at desc) where pool_id is not null;
create index idx_widget_pageviews_org_country on widget_pageviews (organization_id, visitor_country_code, created_at desc)
    where visitor_country_code is not null;
create index idx_widget_pageviews_agent_id on widget_pageviews (agent_id);
create index idx_widget_pageviews_created_at on widget_pageviews (created_at desc);
create index idx_widget_pageviews_visitor on widget_pageviews (visitor_id, created_at desc);
create index idx_widget_pageviews_missed on widget_pageviews (organization_id, created_at desc) where agent_id is null;

-- From sign-in to sign-out; ended_at is null while it lasts.
create table agent_sessions (
    id uuid primary key default gen_random_uuid(),
    agent_id uuid not null references agent_profiles on delete cascade,
    organization_id uuid not null references organizations on delete cascade,
    started_at timestamptz not null default now(),
    ended_at timestamptz,
    idle_seconds integer not null default 0,
    in_call_seconds integer not null default 0,
    away_seconds integer not null default 0,
    ended_reason text check (ended_reason in ('logout', 'disconnect', 'idle_timeout', 'server_restart'))
);

create index idx_agent_sessions_agent_date on agent_sessions (agent_id, started_at desc);
create index idx_agent_sessions_org_date on agent_sessions (organization_id, started_at desc);
create index idx_agent_sessions_active on agent_sessions (agent_id) where ended_at is null;

create table agent_status_changes (
    id uuid primary key default gen_random_uuid(),
    session_id uuid not null references agent_sessions on delete cascade,
    agent_id uuid not null references agent_profiles on delete cascade,
    from_status text not null,
    to_status text not null check (to_status in ('offline', 'idle', 'in_call', 'away')),
    reason text,
    changed_at timestamptz not null default now()
);

create index idx_status_changes_session on agent_status_changes (session_id, changed_at);
create index idx_status_changes_agent on agent_status_changes (agent_id, changed_at desc);
create index idx_status_changes_agent_status on agent_status_changes (agent_id, to_status, changed_at desc);

create table feedback_items (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references organizations on delete cascade,
    user_id uuid references users on delete set null,
    type text not null check (type in ('bug', 'feature', 'praise')),
    title text not null,
    status text not null default 'open' check (status in ('open', 'planned', 'done', 'declined')),
    priority integer not null default 3,
    vote_count integer not null default 0,
    created_at timestamptz not null default now(),
    resolved_at timestamptz
);

create index idx_feedback_items_organization_id on feedback_items (organization_id);
create index idx_feedback_items_user_id on feedback_items (user_id);
create index idx_feedback_items_created_at on feedback_items (created_at desc);
create index idx_feedback_items_type_created on feedback_items (type, created_at desc);
create index idx_feedback_items_status_created on feedback_items (status, created_at desc);
create index idx_feedback_items_type_votes on feedback_items (type, vote_count desc);
create index idx_feedback_items_priority on feedback_items (priority, created_at desc) where status = 'open';
create index idx_feedback_items_resolved on feedback_items (resolved_at) where resolved_at is not null;

-- One a day and organisation.
create table mrr_snapshots (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references organizations on delete cascade,
    snapshot_date date not null,
    plan text not null,
    seats integer not null,
    mrr numeric(12, 2) not null
);

create unique index idx_mrr_snapshots_org_date on mrr_snapshots (organization_id, snapshot_date desc);
create index idx_mrr_snapshots_date on mrr_snapshots (snapshot_date desc);
create index idx_mrr_snapshots_plan_date on mrr_snapshots (plan, snapshot_date desc);

create table mrr_changes (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references organizations on delete cascade,
    change_type text not null check (change_type in ('new', 'expansion', 'contraction', 'churn')),
    previous_mrr numeric(12, 2) not null,
    new_mrr numeric(12, 2) not null,
    changed_at timestamptz not null default now()
);

create index idx_mrr_changes_org_date on mrr_changes (organization_id, changed_at desc);
create index idx_mrr_changes_date on mrr_changes (changed_at desc);
create index idx_mrr_changes_type_date on mrr_changes (change_type, changed_at desc);
create index idx_mrr_changes_churn on mrr_changes (changed_at desc, previous_mrr) where change_type = 'churn';

-- What a visitor of the application's own website did; organization_id is known from the sign-up on.
create table funnel_events (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid references organizations on delete set null,
    visitor_id text not null,
    event text not null check (event in ('landing', 'pricing', 'signup', 'embed', 'first_call')),
    source text,
    created_at timestamptz not null default now()
);

create index idx_funnel_events_organization_id on funnel_events (organization_id) where organization_id is not null;
create index idx_funnel_events_visitor on funnel_events (visitor_id, created_at);
create index idx_funnel_events_event_date on funnel_events (event, created_at desc);
create index idx_funnel_events_created_at on funnel_events (created_at desc);
create index idx_funnel_events_source on funnel_events (source, event) where source is not null;

create table pmf_surveys (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references organizations on delete cascade,
    user_id uuid not null references users on delete cascade,
    disappointment text check (disappointment in ('very', 'somewhat', 'not')),
    asked_at timestamptz not null default now(),
    completed_at timestamptz
);

create index idx_pmf_surveys_organization_id on pmf_surveys (organization_id);
create index idx_pmf_surveys_user_id on pmf_surveys (user_id);
create index idx_pmf_surveys_completed on pmf_surveys (completed_at desc) where completed_at is not null;
create index idx_pmf_surveys_disappointment on pmf_surveys (disappointment, completed_at desc) where disappointment is not null;

-- The dashboard's calculateHourlyCoverage(), as the report sketches it: day by day, hour by hour, each session is looked
-- at, whether it overlaps or not. It has them all in memory, as the dashboard has. A session that has not ended lasts
-- until as_of. iterations counts the looks: sessions x days for each of the 24 hours, but for days on which the clocks
-- change; those have 23 hours or 25, and the one that comes twice counts twice.
create function hourly_coverage_by_iteration(
    org_id uuid, from_day date, to_day date, tz text default 'UTC', as_of timestamptz default now()
) returns table (hour integer, agent_minutes numeric, average_agents numeric, iterations bigint)
language plpgsql stable
as $$
declare
    starts timestamptz[];
    ends timestamptz[];
    sessions integer;
    spent interval[] := array_fill(interval '0', array[24]);
    looks bigint[] := array_fill(0::bigint, array[24]);
    current_day date := from_day;
    hour_start timestamptz;
    hour_end timestamptz;
    clock_hour integer;
    hour_looks bigint;
    overlap interval;
begin
    select array_agg(s.started_at), array_agg(coalesce(s.ended_at, as_of)), count(*)
    into starts, ends, sessions
    from agent_sessions as s
    where s.organization_id = org_id
        and s.started_at < (to_day + 1)::timestamp at time zone tz
        and (s.ended_at > from_day::timestamp at time zone tz or s.ended_at is null);
    while current_day <= to_day loop
        hour_start := current_day::timestamp at time zone tz;
        while hour_start < (current_day + 1)::timestamp at time zone tz loop
            hour_end := hour_start + interval '1 hour';
            hour_looks := 0;
            overlap := '0';
            for i in 1 .. sessions loop
                hour_looks := hour_looks + 1;
                if starts[i] < hour_end and ends[i] > hour_start then
                    overlap := overlap + (least(ends[i], hour_end) - greatest(starts[i], hour_start));
                end if;
            end loop;
            clock_hour := extract(hour from hour_start at time zone tz);
            spent[clock_hour + 1] := spent[clock_hour + 1] + overlap;
            looks[clock_hour + 1] := looks[clock_hour + 1] + hour_looks;
            hour_start := hour_end;
        end loop;
        current_day := current_day + 1;
    end loop;
    return query
    select
        h,
        round(extract(epoch from spent[h + 1])::numeric / 60, 3),
        round(extract(epoch from spent[h + 1])::numeric / 3600 / greatest(1, to_day - from_day + 1), 4),
        looks[h + 1]
    from generate_series(0, 23) as h
    order by h;
end
$$;

-- What the dashboard asks. Before the change the loops above answer.
create function hourly_coverage(
    org_id uuid, from_day date, to_day date, tz text default 'UTC', as_of timestamptz default now()
) returns table (hour integer, agent_minutes numeric, average_agents numeric)
language sql stable
as $$
    select c.hour, c.agent_minutes, c.average_agents
    from hourly_coverage_by_iteration(org_id, from_day, to_day, tz, as_of) as c
    order by c.hour
$$;
