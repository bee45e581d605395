/*---
title = "Each foreign key has an index that begins with its column, but call_logs.site_id"
---*/
-- A partial index counts where it leaves out only rows whose column is null.
with keys as (
    select k.conrelid, k.conname, k.conkey[1] as attnum, a.attname,
        exists (
            select from pg_catalog.pg_index as x
            where x.indrelid = k.conrelid and x.indkey[0] = k.conkey[1] and x.indisvalid
                and (x.indpred is null
                    or pg_catalog.pg_get_expr(x.indpred, x.indrelid) = pg_catalog.format('(%I IS NOT NULL)', a.attname))
        ) as indexed
    from pg_catalog.pg_constraint as k
    join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
    where k.contype = 'f' and k.connamespace = 'public'::pg_catalog.regnamespace
)
select pg_catalog.format('%s.%I', k.conrelid::pg_catalog.regclass, k.attname) as object, 'a foreign key without an index' as fault
from keys as k
where not k.indexed and (k.conrelid, k.attname) <> ('call_logs'::pg_catalog.regclass, 'site_id')
union all
select 'call_logs.site_id', 'has an index, or is no foreign key'
where not exists (
        select from keys as k where k.conrelid = 'call_logs'::pg_catalog.regclass and k.attname = 'site_id' and not k.indexed
    )
order by object;
