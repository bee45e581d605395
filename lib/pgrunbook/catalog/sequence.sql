-- A sequence's settings. Run with search_path = pg_catalog; `type` is then named with its schema where it needs one.
select
  s.seqtypid::regtype::text as type,
  s.seqstart as start,
  s.seqincrement as increment,
  s.seqmin as min,
  s.seqmax as max,
  s.seqcache as cache,
  s.seqcycle as cycle,
  c.relpersistence::text as persistence,
  coalesce((
    select format('%%s.%%I', d.refobjid::regclass, a.attname)
    from pg_depend d
    join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
    where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.refclassid = 'pg_class'::regclass
      and d.deptype in ('a', 'i')), 'none') as owned_by,
  exists (
    select from pg_depend d
    where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.refclassid = 'pg_class'::regclass
      and d.deptype = 'i') as identity
from pg_class c
join pg_sequence s on s.seqrelid = c.oid
where c.oid = to_regclass(%(name)s)
order by c.oid
