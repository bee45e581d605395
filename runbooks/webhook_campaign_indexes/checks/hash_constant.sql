/*---
title = "O(1): a look-up in the hash index reads as many blocks of it among 200,000 numbers as among 1,000, or half a block more"
writes = true
gates = false
after_rollback = false # it tries what the migration brings
---*/
create temporary table probe_many on commit drop as
select '+1' || (2000000000 + (i * 7368787) % 7999999999)::text as phone from generate_series(1, 200000::bigint) as i;

create temporary table probe_few on commit drop as
select '+1' || (2000000000 + (i * 7368787) % 7999999999)::text as phone from generate_series(1, 1000::bigint) as i;

create index on probe_many using hash (phone);

create index on probe_few using hash (phone);

create temporary table probe_blocks (rows_there integer, blocks numeric) on commit drop;

set local enable_seqscan = off;

set local enable_bitmapscan = off;

set local enable_hashjoin = off;

set local enable_mergejoin = off;

set local enable_material = off;

set local enable_memoize = off;

-- A thousand numbers that are not there: nothing is read but the index. Twice, and the second time counts.
do $$
declare
    one record;
    answer json;
begin
    for one in
        select * from (values (1000, 'probe_few'), (200000, 'probe_many')) as t (rows_there, name), generate_series(1, 2) as again
    loop
        execute 'explain (analyze, buffers, timing off, format json) select * from generate_series(1, 1000) as n'
            || ' cross join lateral (select from ' || one.name || ' as p where p.phone = ''+9'' || n::text offset 0) as f'
            into answer;
        delete from probe_blocks where rows_there = one.rows_there;
        insert into probe_blocks
        select one.rows_there,
            (
                (answer -> 0 -> 'Plan' ->> 'Local Hit Blocks')::numeric
                + (answer -> 0 -> 'Plan' ->> 'Local Read Blocks')::numeric
            ) / 1000;
    end loop;
end
$$;

select few.blocks::numeric(8, 2)::text || ' blocks among ' || few.rows_there::text || ' numbers, '
    || many.blocks::numeric(8, 2)::text || ' among ' || many.rows_there::text as fault
from probe_blocks as few
join probe_blocks as many on many.rows_there > few.rows_there
where few.blocks < 1 or many.blocks > few.blocks + 0.5;
