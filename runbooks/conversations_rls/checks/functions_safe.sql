/*---
title = "The two functions are there: security definer, stable, with a fixed search_path, and not for everybody"
---*/
select w.name,
    case
        when p.oid is null then 'missing'
        when not p.prosecdef then 'not security definer'
        when p.provolatile <> 's' then 'not stable'
        when not exists (select from pg_catalog.unnest(p.proconfig) as s where s like 'search\_path=%') then 'its search_path is not fixed'
        when exists (
            select from pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) as a
            where a.grantee = 0 and a.privilege_type = 'EXECUTE'
        ) then 'everybody may execute it'
        when pg_catalog.has_function_privilege('anon', p.oid, 'EXECUTE') then 'anon may execute it'
        when not pg_catalog.has_function_privilege('authenticated', p.oid, 'EXECUTE') then 'authenticated may not execute it'
        else 'service_role may not execute it'
    end as fault
from (values ('public.get_user_org_ids()'), ('public.user_has_org_access(uuid)')) as w (name)
left join pg_catalog.pg_proc as p on p.oid = pg_catalog.to_regprocedure(w.name)
where p.oid is null
    or not p.prosecdef
    or p.provolatile <> 's'
    or not exists (select from pg_catalog.unnest(p.proconfig) as s where s like 'search\_path=%')
    or exists (
        select from pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) as a
        where a.grantee = 0 and a.privilege_type = 'EXECUTE'
    )
    or pg_catalog.has_function_privilege('anon', p.oid, 'EXECUTE')
    or not pg_catalog.has_function_privilege('authenticated', p.oid, 'EXECUTE')
    or not pg_catalog.has_function_privilege('service_role', p.oid, 'EXECUTE')
order by w.name;
