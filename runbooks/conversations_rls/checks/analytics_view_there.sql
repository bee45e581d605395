/*---
title = "The analytics view is there, reads with its reader's rights, and only who is signed in may read it"
---*/
with found as (
    select c.oid, c.relowner, c.relacl, coalesce(c.reloptions, '{}') as options
    from pg_catalog.pg_class as c
    where c.oid = pg_catalog.to_regclass('conversation_analytics') and c.relkind = 'v'
)
select 'the view conversation_analytics is missing' as fault
where not exists (select from found)
union all
select 'it reads with its owner''s rights: security_invoker is off'
from found as f
where pg_catalog.current_setting('server_version_num')::integer >= 150000
    and not exists (select from pg_catalog.unnest(f.options) as o where o in ('security_invoker=true', 'security_invoker=on', 'security_invoker=1'))
union all
select 'security_barrier is off'
from found as f
where not exists (select from pg_catalog.unnest(f.options) as o where o in ('security_barrier=true', 'security_barrier=on', 'security_barrier=1'))
union all
select 'it does not limit itself to the reader''s organisations'
from found as f
where pg_catalog.pg_get_viewdef(f.oid) not like '%get_user_org_ids()%'
union all
select 'authenticated may not read it'
from found as f
where not pg_catalog.has_table_privilege('authenticated', f.oid, 'SELECT')
union all
select 'everybody may read it'
from found as f
where exists (
    select from pg_catalog.aclexplode(coalesce(f.relacl, pg_catalog.acldefault('r', f.relowner))) as a
    where a.grantee = 0 and a.privilege_type = 'SELECT'
)
order by fault;
