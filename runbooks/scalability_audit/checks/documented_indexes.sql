/*---
title = "Each index that the report names is there, valid, on the columns that it gives, partial where it says so"
---*/
with named (index_name, table_name, columns, partial) as (
    values
        ('idx_call_logs_org_created', 'call_logs', 'organization_id, created_at', false),
        ('idx_call_logs_org_status_created', 'call_logs', 'organization_id, status, created_at', false),
        ('idx_call_logs_pool_created', 'call_logs', 'pool_id, created_at', true),
        ('idx_call_logs_org_country', 'call_logs', 'organization_id, visitor_country_code, created_at', true),
        ('idx_widget_pageviews_org_date', 'widget_pageviews', 'organization_id, created_at', false),
        ('idx_widget_pageviews_pool_date', 'widget_pageviews', 'pool_id, created_at', true),
        ('idx_widget_pageviews_org_country', 'widget_pageviews', 'organization_id, visitor_country_code, created_at', true),
        ('idx_agent_sessions_agent_date', 'agent_sessions', 'agent_id, started_at', false),
        ('idx_agent_sessions_org_date', 'agent_sessions', 'organization_id, started_at', false),
        ('idx_agent_sessions_active', 'agent_sessions', 'agent_id', true),
        ('idx_status_changes_agent_status', 'agent_status_changes', 'agent_id, to_status, changed_at', false),
        ('idx_users_organization_id', 'users', 'organization_id', false),
        ('idx_invites_token', 'invites', 'token', false),
        ('idx_sites_organization_id', 'sites', 'organization_id', false),
        ('idx_agent_profiles_organization_id', 'agent_profiles', 'organization_id', false),
        ('agent_profiles_user_id_key', 'agent_profiles', 'user_id', false),
        ('idx_call_logs_organization_id', 'call_logs', 'organization_id', false),
        ('idx_call_logs_agent_id', 'call_logs', 'agent_id', false),
        ('idx_call_logs_pool_id', 'call_logs', 'pool_id', false),
        ('idx_call_logs_disposition_id', 'call_logs', 'disposition_id', false),
        ('idx_agent_pool_members_pool_id', 'agent_pool_members', 'pool_id', false),
        ('idx_agent_pool_members_agent_profile_id', 'agent_pool_members', 'agent_profile_id', false),
        ('idx_pool_routing_rules_pool_id', 'pool_routing_rules', 'pool_id', false)
)
select w.index_name, w.table_name,
    case
        when x.indexrelid is null then 'missing, or on another table'
        when not (x.indisvalid and x.indisready and x.indislive) then 'not valid'
        else 'another one: ' || pg_catalog.pg_get_indexdef(x.indexrelid)
    end as fault
from named as w
left join pg_catalog.pg_index as x
    on x.indexrelid = pg_catalog.to_regclass(w.index_name) and x.indrelid = pg_catalog.to_regclass(w.table_name)
left join lateral (
    select pg_catalog.string_agg(a.attname, ', ' order by a.attnum) as columns
    from pg_catalog.pg_attribute as a
    where a.attrelid = x.indexrelid
) as k on true
where (
        x.indisvalid and x.indisready and x.indislive and k.columns = w.columns and (x.indpred is not null) = w.partial
    ) is not true
order by w.index_name;
