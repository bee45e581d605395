/*---
title = "The hash index of contact.phone is no larger than a B-tree, and a look-up reads fewer of its blocks"
writes = true
gates = false
after_rollback = false # it tries what the migration brings
---*/
-- On a copy of the telephone numbers, so that the table is not locked.
create temporary table probe_hash on commit drop as select c.phone from contact as c;

create temporary table probe_tree on commit drop as select c.phone from contact as c;

create index probe_hash_index on probe_hash using hash (phone);

create index probe_tree_index on probe_tree (phone);

create temporary table probe_blocks (method text, bytes bigint, blocks numeric) on commit drop;

set local enable_seqscan = off;

set local enable_bitmapscan = off;

set local enable_hashjoin = off;

set local enable_mergejoin = off;

set local enable_material = off;

set local enable_memoize = off;

do $$
declare
    one record;
    answer json;
begin
    for one in select * from (values ('hash'), ('tree')) as t (method), generate_series(1, 2) as again loop
        execute 'explain (analyze, buffers, timing off, format json) select * from generate_series(1, 1000) as n'
            || ' cross join lateral (select from probe_' || one.method || ' as p where p.phone = ''+9'' || n::text offset 0) as f'
            into answer;
        delete from probe_blocks where method = one.method;
        insert into probe_blocks
        select one.method, pg_catalog.pg_relation_size('probe_' || one.method || '_index'),
            (
                (answer -> 0 -> 'Plan' ->> 'Local Hit Blocks')::numeric
                + (answer -> 0 -> 'Plan' ->> 'Local Read Blocks')::numeric
            ) / 1000;
    end loop;
end
$$;

select 'size: ' || (h.bytes / 1024)::text || ' kB as hash, ' || (t.bytes / 1024)::text || ' kB as B-tree' as fault
from probe_blocks as h
join probe_blocks as t on h.method = 'hash' and t.method = 'tree'
where h.bytes > t.bytes
union all
select 'a look-up: ' || h.blocks::numeric(8, 2)::text || ' blocks as hash, ' || t.blocks::numeric(8, 2)::text || ' as B-tree'
from probe_blocks as h
join probe_blocks as t on h.method = 'hash' and t.method = 'tree'
where h.blocks >= t.blocks
order by fault;
