-- The statements that make a function, trigger, type, statistics object, schema or extension as it is, in order;
-- owners,
-- privileges and comments are those of object_traits.sql. `lacking` says what no statement brings back. Run with
-- search_path = pg_catalog.
with typ as (
  select t.*, format('%%I.%%I', n.nspname, t.typname) as q
  from pg_type t
  join pg_namespace n on n.oid = typnamespace
  where %(class)s = 'pg_type' and t.oid = %(oid)s::int8::oid
),
extension as (
  select e.*, quote_ident(extname) as q
  from pg_extension e
  where %(class)s = 'pg_extension' and oid = %(oid)s::int8::oid
),
member as (
  select d.classid, d.objid from pg_depend d join extension e on (refclassid, refobjid) = ('pg_extension'::regclass,
    e.oid)
  where deptype = 'e'
),
-- a trigger with those that the partitions have of it
trig as (
  with recursive one as (
    select t.* from pg_trigger t where %(class)s = 'pg_trigger' and oid = %(oid)s::int8::oid
    union all
    select t.* from one join pg_trigger t on t.tgparentid = one.oid
  )
  select * from one
),
found(rank, number, statement, lacking) as (
  select 1, 0, case when prokind in ('f', 'p') then rtrim(pg_get_functiondef(oid)) end,
    case when prokind not in ('f', 'p') then format('%%s is an aggregate or a window function', oid::regprocedure)
      when prolang in (select oid from pg_language where lanname in ('internal', 'c')) then
        format('%%s is written in C', oid::regprocedure) end
  from pg_proc
  where %(class)s = 'pg_proc' and oid = %(oid)s::int8::oid
  union all
  select 1, 0, pg_get_triggerdef(oid), case when tgisinternal then format('%%I belongs to a constraint', tgname) end
  from trig
  where oid = %(oid)s::int8::oid
  union all
  select 13, 0, format('alter table %%s %%s trigger %%I', tgrelid::regclass, state, tgname),
    case when tgisinternal and oid <> %(oid)s::int8::oid then
      format('trigger %%I of %%s is set otherwise than that of its parent', tgname, tgrelid::regclass) end
  from trig
  join (values ('D', 'disable'), ('O', 'enable'), ('A', 'enable always'), ('R', 'enable replica')) s(enabled, state)
    on enabled = tgenabled::text
  where oid = %(oid)s::int8::oid and tgenabled <> 'O'
    or oid <> %(oid)s::int8::oid and tgenabled <> (select tgenabled from trig where oid = %(oid)s::int8::oid)
  union all
  select 1, 0, pg_get_statisticsobjdef(oid), null
  from pg_statistic_ext
  where %(class)s = 'pg_statistic_ext' and oid = %(oid)s::int8::oid
  union all
  select 3, 0, format('alter statistics %%I.%%I set statistics %%s', nspname, stxname, stxstattarget), null
  from pg_statistic_ext s
  join pg_namespace n on n.oid = stxnamespace
  where %(class)s = 'pg_statistic_ext' and s.oid = %(oid)s::int8::oid and stxstattarget >= 0
  union all
  select 1, 0, format('create schema %%I', nspname), null
  from pg_namespace
  where %(class)s = 'pg_namespace' and oid = %(oid)s::int8::oid
  union all
  select 1, 0,
    case typtype
      when 'e' then format('create type %%s as enum (%%s)', q,
        (select string_agg(quote_literal(enumlabel), ', ' order by enumsortorder) from pg_enum
          where enumtypid = typ.oid))
      when 'c' then format('create type %%s as (%%s)', q,
        (select string_agg(format('%%I %%s', attname, format_type(atttypid, atttypmod))
          || case when attcollation <> t.typcollation then ' collate ' || attcollation::regcollation else '' end,
          ', ' order by attnum)
         from pg_attribute
         join pg_type t on t.oid = atttypid
         where attrelid = typ.typrelid and attnum > 0 and not attisdropped))
      when 'd' then format('create domain %%s as %%s', q, format_type(typbasetype, typtypmod))
        || case when typcollation <> (select t.typcollation from pg_type t where t.oid = typ.typbasetype)
          then ' collate ' || typcollation::regcollation else '' end
        || coalesce(' default ' || coalesce(pg_get_expr(typdefaultbin, 0), typdefault), '')
      when 'r' then format('create type %%s as range (%%s)', q, (
        select concat_ws(', ', 'subtype = ' || rngsubtype::regtype,
          (select format('subtype_opclass = %%I.%%I', nspname, opcname)
           from pg_opclass o join pg_namespace n on n.oid = opcnamespace where o.oid = rngsubopc),
          'collation = ' || nullif(rngcollation, 0)::regcollation,
          'subtype_diff = ' || nullif(rngsubdiff, 0)::regproc,
          'multirange_type_name = ' || nullif(to_jsonb(r) ->> 'rngmultitypid', '0')::oid::regtype)
        from pg_range r
        where rngtypid = typ.oid))
    end,
    case when typtype not in ('e', 'c', 'd', 'r') or not typisdefined
      then format('%%s is a base or a multirange type', q)
      when exists (select from pg_range where rngtypid = typ.oid and rngcanonical <> 0) then
        format('%%s has a canonical function', q)
      when typtype = 'c' and (select relkind <> 'c' from pg_class where oid = typrelid) then
        format('%%s is the type of the rows of a relation', q) end
  from typ
  union all
  select 3, row_number() over (order by contype desc, conname collate "C"),
    format('alter domain %%s add constraint %%I %%s', q, conname, pg_get_constraintdef(c.oid)), null
  from typ
  join pg_constraint c on contypid = typ.oid
  union all
  select 3, 0, format('alter domain %%s set not null', q), null
  from typ
  where typnotnull and not exists (select from pg_constraint where contypid = typ.oid and contype = 'n')
  union all
  select 18, 0, format('comment on constraint %%I on domain %%s is %%L', conname, q, description), null
  from typ
  join pg_constraint c on contypid = typ.oid
  join pg_description on (classoid, objoid) = ('pg_constraint'::regclass, c.oid)
  union all
  select 1, 0, format('create extension %%s schema %%I version %%L', q, nspname, extversion), x
  from extension e
  join pg_namespace n on n.oid = extnamespace
  cross join lateral (
    select case
      when extowner <> (select oid from pg_roles where rolname = current_user) then
        format('extension %%s belongs to %%I, and would belong to %%I', q, pg_get_userbyid(extowner), current_user)
      when not exists (
        select from pg_available_extension_versions v where v.name = extname and v.version = extversion
      ) then format('the server has no files of version %%s of extension %%s any more', extversion, q)
      when exists (
        select from member
        join pg_class c on (classid, objid) = ('pg_class'::regclass, c.oid) and relkind in ('r', 'p', 'm', 'S')
      ) then format('extension %%s has tables or sequences of its own, whose contents are lost', q)
      when exists (
        select from member
        left join pg_init_privs i on (i.classoid, i.objoid, i.objsubid) = (classid, objid, 0)
        left join pg_proc p on (classid, objid) = ('pg_proc'::regclass, p.oid)
        left join pg_class c on (classid, objid) = ('pg_class'::regclass, c.oid)
        where coalesce(proacl, relacl) is distinct from i.initprivs
      ) then format('privileges on objects of extension %%s were given or taken since it was made', q)
    end
  ) l(x)
)
select rank, number, coalesce(statement, '') as statement, null::text as instead, coalesce(lacking, '') as lacking,
  '' as sequence
from found
order by rank, number, statement collate "C"
