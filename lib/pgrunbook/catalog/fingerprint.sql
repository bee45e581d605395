-- The schema's fingerprint: one hash per kind of object, or (detail) one per object. Run with search_path = pg_catalog,
-- so that whatever is named is named with its schema; names stand for oids, which a restored object has anew.
-- Columns are ranked, so that a dropped one leaves no trace. Privileges are compared as sets, null being the default.
-- row(…) keeps a null apart from an empty text. Invalid indexes are a kind of their own, since a leftover is not
-- restored; `excluded` are "kind ident" of what is left out on purpose. Columns of newer versions are read through
-- to_jsonb. Not seen: data, roles and their memberships, foreign servers, text search, operator classes, subscriptions,
-- security labels, the privileges on the row type of a table.
with ns as (
  select oid, nspname, nspowner, nspacl
  from pg_namespace
  where nspname not like 'pg\_%%' and nspname not in ('information_schema', %(ledger)s)
),
of_extension as (select classid, objid from pg_depend where deptype = 'e'),
rel as (
  select c.*, n.nspname, format('%%I.%%I', n.nspname, c.relname) as q
  from pg_class c
  join ns n on n.oid = c.relnamespace
  where not exists (select from of_extension where classid = 'pg_class'::regclass and objid = c.oid)
),
proc as (
  select p.*
  from pg_proc p
  join ns on ns.oid = pronamespace
  where not exists (select from of_extension where classid = 'pg_proc'::regclass and objid = p.oid)
),
typ as (
  select t.*, t.oid::regtype::text as q
  from pg_type t
  join ns on ns.oid = typnamespace
  left join pg_class c on c.oid = typrelid
  where (typcategory <> 'A' or typtype = 'd') and typtype <> 'p' and coalesce(relkind, 'c') = 'c'
    and not exists (select from of_extension where classid = 'pg_type'::regclass and objid = t.oid)
),
con as (
  select co.*, coalesce(rel.q, contypid::regtype::text) || '.' || quote_ident(conname) as q
  from pg_constraint co
  left join rel on rel.oid = conrelid
  join ns on ns.oid = connamespace
  where rel.oid is not null
    or conrelid = 0 and not exists (select from of_extension where classid = 'pg_type'::regclass and objid = contypid)
),
-- Publications' tables and schemas. pg_publication_namespace is missing before 15, so its rows are found by what they
-- depend on; pg_publication_rel lacks two columns there, for which those of `older` stand in then.
published as (
  select pr.oid, 'pg_publication_rel'::regclass as classid, row(f.*)::text as def
  from pg_publication_rel pr
  join rel on rel.oid = prrelid
  cross join (select null::pg_node_tree as prqual, null::int2vector as prattrs) as older
  cross join lateral (
    select
      (select pg_get_expr(prqual, prrelid) from pg_publication_rel r where r.oid = pr.oid),
      (select array_agg(attname order by attname)
       from pg_publication_rel r
       join pg_attribute on attrelid = prrelid and attnum = any (prattrs)
       where r.oid = pr.oid)
  ) f
  union all
  select d.objid, d.classid, ''
  from pg_depend d
  join ns on ns.oid = d.refobjid
  where d.classid = to_regclass('pg_catalog.pg_publication_namespace') and d.refclassid = 'pg_namespace'::regclass
),
-- What a comment is looked for on.
commented(classid, objid) as (
  select 'pg_namespace'::regclass, oid from ns
  union all
  select 'pg_class'::regclass, oid from rel
  union all
  select 'pg_proc'::regclass, oid from proc
  union all
  select 'pg_type'::regclass, oid from typ
  union all
  select 'pg_constraint'::regclass, oid from con
  union all
  select 'pg_policy'::regclass, p.oid from pg_policy p join rel on rel.oid = polrelid
  union all
  select 'pg_trigger'::regclass, t.oid from pg_trigger t join rel on rel.oid = tgrelid where not tgisinternal
  union all
  select 'pg_rewrite'::regclass, r.oid from pg_rewrite r join rel on rel.oid = ev_class
  union all
  select 'pg_statistic_ext'::regclass, s.oid from pg_statistic_ext s join ns on ns.oid = stxnamespace
  union all
  select 'pg_operator'::regclass, o.oid from pg_operator o join ns on ns.oid = oprnamespace
  union all
  select 'pg_collation'::regclass, c.oid from pg_collation c join ns on ns.oid = collnamespace
  union all
  select 'pg_cast'::regclass, oid from pg_cast
  union all
  select 'pg_event_trigger'::regclass, oid from pg_event_trigger
  union all
  select 'pg_publication'::regclass, oid from pg_publication
  union all
  select 'pg_extension'::regclass, oid from pg_extension
),
items(kind, ident, def, acl) as (
  select 'database', 'owner and privileges', datdba::regrole::text, coalesce(datacl, acldefault('d', datdba))
  from pg_database
  where datname = current_database()
  union all
  select 'database', concat_ws(' ', 'settings of', nullif(setrole, 0)::regrole),
    (select string_agg(x, ',' order by x collate "C") from unnest(setconfig) x), null
  from pg_db_role_setting
  where setdatabase = (select oid from pg_database where datname = current_database())
  union all
  select 'schema', quote_ident(nspname), nspowner::regrole::text, coalesce(nspacl, acldefault('n', nspowner))
  from ns
  union all
  select 'default privileges',
    format('%%s of %%s in %%s',
      case defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
        when 'T' then 'types' when 'n' then 'schemas' else 'large objects' end,
      defaclrole::regrole, coalesce(quote_ident(nspname), 'every schema')),
    '', defaclacl
  from pg_default_acl
  left join ns on ns.oid = defaclnamespace
  where defaclnamespace = 0 or ns.oid is not null
  union all
  select 'extension', extname, row(extversion, extnamespace::regnamespace, extowner::regrole)::text, null
  from pg_extension
  union all
  select 'relation', q,
    row(rel.relkind, rel.relpersistence, rel.relowner::regrole, rel.relrowsecurity, rel.relforcerowsecurity,
      rel.relreplident, am.amname, t.spcname, nullif(rel.reloftype, 0)::regtype,
      (select array_agg(x order by x collate "C") from unnest(rel.reloptions) x),
      (select array_agg(x order by x collate "C") from unnest(toast.reloptions) x),
      pg_get_expr(rel.relpartbound, rel.oid),
      case when rel.relkind = 'p' then pg_get_partkeydef(rel.oid) end,
      (select string_agg(inhparent::regclass::text, ',' order by inhseqno) from pg_inherits where inhrelid = rel.oid),
      case when rel.relkind in ('v', 'm') then pg_get_viewdef(rel.oid) end)::text,
    coalesce(rel.relacl, acldefault(case when rel.relkind = 'S' then 's'::"char" else 'r'::"char" end, rel.relowner))
  from rel
  left join pg_am am on am.oid = rel.relam
  left join pg_tablespace t on t.oid = rel.reltablespace
  left join pg_class toast on toast.oid = rel.reltoastrelid
  where rel.relkind in ('r', 'p', 'v', 'm', 'f', 'c', 'S')
  union all
  select 'column', q || '.' || quote_ident(attname),
    row(row_number() over (partition by a.attrelid order by attnum), format_type(atttypid, atttypmod), attnotnull,
      attidentity, attgenerated, pg_get_expr(d.adbin, d.adrelid), nullif(attcollation, 0)::regcollation, attstorage,
      to_jsonb(a) ->> 'attcompression', nullif(attstattarget, -1),
      case when attoptions is not null then
        (select array_agg(x order by x collate "C") from unnest(attoptions) x) end)::text,
    attacl
  from rel
  join pg_attribute a on a.attrelid = rel.oid
  left join pg_attrdef d on (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
  where relkind in ('r', 'p', 'v', 'm', 'f', 'c') and attnum > 0 and not attisdropped
  union all
  select 'constraint', q, row(pg_get_constraintdef(oid), convalidated)::text, null -- the text has NOT ENFORCED
  from con
  union all
  select case when indisvalid and indisready and indislive then 'index' else 'invalid index' end, q,
    row(pg_get_indexdef(i.indexrelid), indisclustered, indisreplident, t.spcname,
      case when relispartition then
        (select inhparent::regclass from pg_inherits where inhrelid = i.indexrelid) end)::text,
    null
  from rel
  join pg_index i on i.indexrelid = rel.oid
  left join pg_tablespace t on t.oid = rel.reltablespace
  union all
  select 'policy', q || '.' || quote_ident(polname),
    row(polcmd, polpermissive,
      (select string_agg(r, ',' order by r collate "C")
       from (select case x when 0 then 'public' else x::regrole::text end from unnest(polroles) x) named(r)),
      pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))::text,
    null
  from pg_policy
  join rel on rel.oid = polrelid
  union all
  select 'trigger', q || '.' || quote_ident(tgname), row(pg_get_triggerdef(t.oid), tgenabled)::text, null
  from pg_trigger t
  join rel on rel.oid = tgrelid
  where not tgisinternal or tgconstraint = 0 -- before 15, what a partition has of its parent counts as internal
  union all
  select 'trigger', rel.q || '.' || quote_ident(conname) || ' (constraint)',
    string_agg(tgtype || tgenabled::text, ',' order by tgtype, tgenabled), null
  from pg_trigger t
  join rel on rel.oid = tgrelid
  join con on con.oid = tgconstraint
  where tgisinternal and tgenabled <> 'O'
  group by rel.q, conname
  union all
  select 'rule', q || '.' || quote_ident(rulename), row(pg_get_ruledef(r.oid), ev_enabled)::text, null
  from pg_rewrite r
  join rel on rel.oid = ev_class
  where rulename <> '_RETURN'
  union all
  select 'sequence', q,
    row(seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle,
      (select format('%%s.%%I', refobjid::regclass, attname)
       from pg_depend d
       join pg_attribute on attrelid = refobjid and attnum = refobjsubid
       where d.classid = 'pg_class'::regclass and d.objid = seqrelid and d.refclassid = 'pg_class'::regclass
         and d.deptype in ('a', 'i')))::text,
    null
  from pg_sequence
  join rel on rel.oid = seqrelid
  union all
  select 'function', p.oid::regprocedure::text,
    row(case when prokind <> 'a' then pg_get_functiondef(p.oid) end, proowner::regrole,
      case when prokind = 'a' then pg_get_function_result(p.oid) end, proparallel, format_type(aggtranstype, null),
      format_type(aggmtranstype, null), nullif(aggsortop, 0)::regoperator,
      to_jsonb(a) - '{aggfnoid,aggtranstype,aggmtranstype,aggsortop}'::text[])::text,
    coalesce(proacl, acldefault('f', proowner))
  from proc p
  left join pg_aggregate a on aggfnoid = p.oid
  union all
  select 'type', q,
    row(typtype, typowner::regrole, rngsubtype::regtype, nullif(rngcollation, 0)::regcollation, opcname, rngcanonical,
      rngsubdiff)::text,
    coalesce(typacl, acldefault('T', typowner))
  from typ
  left join pg_range on rngtypid = typ.oid
  left join pg_opclass o on o.oid = rngsubopc
  union all
  select 'enum', q,
    (select array_agg(enumlabel order by enumsortorder)::text from pg_enum where enumtypid = typ.oid), null
  from typ
  where typtype = 'e'
  union all
  select 'domain', q,
    row(format_type(typbasetype, typtypmod), typnotnull, typdefault, nullif(typcollation, 0)::regcollation)::text, null
  from typ
  where typtype = 'd'
  union all
  select 'collation', c.oid::regcollation::text,
    row(collowner::regrole, to_jsonb(c) - '{oid,collname,collnamespace,collowner}'::text[])::text, null
  from pg_collation c
  join ns on ns.oid = collnamespace
  where not exists (select from of_extension where classid = 'pg_collation'::regclass and objid = c.oid)
  union all
  select 'operator', o.oid::regoperator::text,
    row(oprowner::regrole, oprcanmerge, oprcanhash, oprresult::regtype, nullif(oprcom, 0)::regoperator,
      nullif(oprnegate, 0)::regoperator, nullif(oprcode, 0)::regprocedure, oprrest, oprjoin)::text,
    null
  from pg_operator o
  join ns on ns.oid = oprnamespace
  where not exists (select from of_extension where classid = 'pg_operator'::regclass and objid = o.oid)
  union all
  select 'cast', format('%%s as %%s', castsource::regtype, casttarget::regtype),
    row(nullif(castfunc, 0)::regprocedure, castcontext, castmethod)::text, null
  from pg_cast c
  where c.oid >= 16384 -- below lie the server's own, which have no schema to tell them by
    and not exists (select from of_extension where classid = 'pg_cast'::regclass and objid = c.oid)
  union all
  select 'statistics', format('%%I.%%I', ns.nspname, stxname),
    row(pg_get_statisticsobjdef(s.oid), stxowner::regrole, nullif(stxstattarget, -1))::text, null
  from pg_statistic_ext s
  join ns on ns.oid = stxnamespace
  union all
  select 'event trigger', quote_ident(evtname),
    row(evtevent, evtowner::regrole, evtfoid::regprocedure, evtenabled,
      (select array_agg(x order by x collate "C") from unnest(evttags) x))::text,
    null
  from pg_event_trigger e
  where not exists (select from of_extension where classid = 'pg_event_trigger'::regclass and objid = e.oid)
  union all
  select 'publication', quote_ident(pubname),
    row(pubowner::regrole, to_jsonb(p) - '{oid,pubname,pubowner}'::text[])::text, null
  from pg_publication p
  union all
  select 'publication', identity, def, null
  from published
  cross join lateral pg_identify_object(classid, oid, 0)
  union all
  select 'comment', type || ' ' || identity, description, null
  from commented
  join pg_description d on d.classoid = classid and d.objoid = commented.objid
  cross join lateral pg_identify_object(classid, commented.objid, objsubid)
  where not exists (select from of_extension e where e.classid = commented.classid and e.objid = commented.objid)
    and (commented.objid >= 16384 or classid = 'pg_namespace'::regclass)
),
kept as (
  select kind, ident,
    concat_ws(E'\x1d', coalesce(def, ''),
      case when acl is not null then
        (select string_agg(x::text, ',' order by x::text collate "C") from unnest(acl) x) end) as def
  from items
  where kind || ' ' || ident <> all (%(excluded)s::text[])
)
select kind, coalesce(ident, '') as ident, count(*) as objects,
  encode(sha256(convert_to(
    string_agg(ident || E'\x1f' || def, E'\x1e' order by ident collate "C", def collate "C"), 'UTF8')), 'hex') as hash
from kept
group by grouping sets ((kind), (kind, ident))
having grouping(ident) = case when %(detail)s then 0 else 1 end
order by kind collate "C", ident collate "C"
