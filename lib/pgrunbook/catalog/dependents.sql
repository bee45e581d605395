-- What stands in the way of dropping an object without CASCADE: `kind` and `name` of what depends on it (`of` is the
-- relation that this is a part of), of what it is a part of itself (kind "part of"), and of what goes with it and is
-- brought back by no statement (kind "lost"). Run with search_path = pg_catalog.
with recursive gone(classid, objid, objsubid) as (
  select %(class)s::text::regclass::oid, %(oid)s::int8::oid, %(column)s::int
  union
  select d.classid, d.objid, d.objsubid
  from gone g
  join pg_depend d on (d.refclassid, d.refobjid) = (g.classid, g.objid) and g.objsubid in (0, d.refobjsubid)
  where d.deptype in ('a', 'i', 'P', 'S')
    or d.deptype = 'e' and g.classid = 'pg_extension'::regclass
),
-- all that depends on what goes, in its own right
dependent as (
  select distinct d.classid, d.objid, d.objsubid
  from gone g
  join pg_depend d on (d.refclassid, d.refobjid) = (g.classid, g.objid) and g.objsubid in (0, d.refobjsubid)
  where d.deptype = 'n'
    and not exists (select from gone h where (h.classid, h.objid) = (d.classid, d.objid) and h.objsubid in (0,
      d.objsubid))
    -- it goes with what it is a part of, which is in the list itself where it has to be
    and not (d.refclassid = 'pg_namespace'::regclass and exists (
      select from pg_depend p
      where (p.classid, p.objid, p.objsubid) = (d.classid, d.objid, d.objsubid) and p.deptype in ('a', 'i', 'e')
    ))
),
named(classid, objid, objsubid, kind, name, "of") as (
  select d.*,
    case
      when c.oid is not null and objsubid > 0 then 'column'
      when c.oid is not null then case relkind when 'v' then 'view' when 'm' then 'view' when 'S' then 'sequence'
        when 'c' then 'type' when 'i' then 'index' when 'I' then 'index' else 'table' end
      when w.oid is not null then case rulename when '_RETURN' then 'view' else 'rule' end
      when k.oid is not null then 'constraint'
      when p.oid is not null then 'policy'
      when t.oid is not null then 'trigger'
      when a.oid is not null then 'default'
      when s.oid is not null then 'statistics'
      when y.oid is not null then 'type'
      when f.oid is not null then 'function'
    end,
    case
      when c.oid is not null then array[c.relname::text] || (select attname::text from pg_attribute
        where attrelid = c.oid and attnum = nullif(objsubid, 0))
      when w.oid is not null and rulename = '_RETURN' then array[(select relname::text from pg_class
        where oid = ev_class)]
      when s.oid is not null then array[stxname::text]
      when y.oid is not null then array[typname::text]
      when f.oid is not null then array[f.oid::regprocedure::text]
      else array[(select relname from pg_class where oid = coalesce(nullif(conrelid, 0), polrelid, tgrelid, adrelid,
        ev_class))::text,
        coalesce(rulename, conname, polname, tgname, (select attname from pg_attribute where (attrelid,
          attnum) = (adrelid, adnum)))::text]
    end,
    coalesce(w.ev_class, k.conrelid, p.polrelid, t.tgrelid, a.adrelid, case when objsubid > 0 then c.oid end)
  from dependent d
  left join pg_class c on (classid, objid) = ('pg_class'::regclass, c.oid)
  left join pg_rewrite w on (classid, objid) = ('pg_rewrite'::regclass, w.oid)
  left join pg_constraint k on (classid, objid) = ('pg_constraint'::regclass, k.oid) and conrelid <> 0
  left join pg_policy p on (classid, objid) = ('pg_policy'::regclass, p.oid)
  left join pg_trigger t on (classid, objid) = ('pg_trigger'::regclass, t.oid)
  left join pg_attrdef a on (classid, objid) = ('pg_attrdef'::regclass, a.oid)
  left join pg_statistic_ext s on (classid, objid) = ('pg_statistic_ext'::regclass, s.oid)
  left join pg_type y on (classid, objid) = ('pg_type'::regclass, y.oid)
  left join pg_proc f on (classid, objid) = ('pg_proc'::regclass, f.oid)
),
placed as (
  select coalesce(kind, '') as kind, name, "of",
    coalesce(
      (select nspname::text from pg_class c join pg_namespace n on n.oid = relnamespace where c.oid = coalesce("of",
        objid)
       and (classid = 'pg_class'::regclass or "of" is not null)),
      (select nspname::text from pg_type t join pg_namespace n on n.oid = typnamespace
       where classid = 'pg_type'::regclass and t.oid = objid),
      (select nspname::text from pg_statistic_ext t join pg_namespace n on n.oid = stxnamespace
       where classid = 'pg_statistic_ext'::regclass and t.oid = objid), '') as schema,
    pg_describe_object(classid, objid, objsubid) as shown
  from named
)
select distinct kind, schema, coalesce(name, '{}') as name, shown from placed
union
select 'part of', '', '{}', pg_describe_object(refclassid, refobjid, 0)
from pg_depend
where (classid, objid) = (%(class)s::text::regclass::oid, %(oid)s::int8::oid) and objsubid = %(column)s::int
  and deptype in ('i', 'e', 'P', 'S')
union
select 'lost', '', '{}', pg_describe_object(classid, objid, objsubid)
from gone
where %(class)s::text <> 'pg_extension' and classid not in ('pg_class'::regclass, 'pg_type'::regclass,
  'pg_constraint'::regclass,
  'pg_attrdef'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_rewrite'::regclass,
  'pg_statistic_ext'::regclass, 'pg_publication_rel'::regclass, 'pg_proc'::regclass, 'pg_namespace'::regclass,
  'pg_extension'::regclass, 'pg_cast'::regclass)
order by kind, shown
