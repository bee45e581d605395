-- The schema's fingerprint: one hash per kind of object, or (detail) one per object. Run with search_path = pg_catalog.
-- Columns are ranked, so that a dropped one leaves no trace; a null acl equals its default; invalid indexes are a kind
-- of their own, since a leftover is not restored; `excluded` are "kind ident" of what is left out on purpose.
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
items(kind, ident, def) as (
  select 'schema', quote_ident(nspname), concat_ws('|', nspowner::regrole,
    (select string_agg(x::text, ',' order by x::text) from unnest(coalesce(nspacl, acldefault('n', nspowner))) x))
  from ns
  union all
  select 'extension', extname, extversion from pg_extension
  union all
  select 'relation', q, concat_ws('|', relkind, relpersistence, relowner::regrole, relrowsecurity, relforcerowsecurity,
    relreplident, coalesce(am.amname, ''), coalesce(t.spcname, ''),
    (select string_agg(x, ',' order by x) from unnest(reloptions) x),
    (select string_agg(x::text, ',' order by x::text)
     from unnest(coalesce(relacl, acldefault(case when relkind = 'S' then 's'::"char" else 'r'::"char" end, relowner))) x),
    pg_get_expr(relpartbound, rel.oid),
    case when relkind = 'p' then pg_get_partkeydef(rel.oid) end,
    (select string_agg(inhparent::regclass::text, ',' order by inhseqno) from pg_inherits where inhrelid = rel.oid),
    case when relkind in ('v', 'm') then pg_get_viewdef(rel.oid) end)
  from rel
  left join pg_am am on am.oid = relam
  left join pg_tablespace t on t.oid = reltablespace
  where relkind in ('r', 'p', 'v', 'm', 'f', 'c', 'S')
  union all
  select 'column', q || '.' || quote_ident(attname), concat_ws('|',
    row_number() over (partition by a.attrelid order by attnum), format_type(atttypid, atttypmod), attnotnull,
    attidentity, attgenerated, pg_get_expr(d.adbin, d.adrelid), nullif(attcollation, 0)::regcollation, attstorage,
    to_jsonb(a) ->> 'attcompression', nullif(to_jsonb(a) ->> 'attstattarget', '-1'), attoptions, attacl)
  from rel
  join pg_attribute a on a.attrelid = rel.oid
  left join pg_attrdef d on (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
  where relkind in ('r', 'p', 'v', 'm', 'f', 'c') and attnum > 0 and not attisdropped
  union all
  select 'constraint', coalesce(q, contypid::regtype::text) || '.' || quote_ident(conname),
    pg_get_constraintdef(co.oid) || '|' || convalidated::text
  from pg_constraint co
  left join rel on rel.oid = conrelid
  join ns on ns.oid = connamespace
  where rel.oid is not null
    or conrelid = 0 and not exists (select from of_extension where classid = 'pg_type'::regclass and objid = contypid)
  union all
  select case when indisvalid and indisready and indislive then 'index' else 'invalid index' end, q,
    concat_ws('|', pg_get_indexdef(i.indexrelid), indisclustered, indisreplident, coalesce(t.spcname, ''))
  from rel
  join pg_index i on i.indexrelid = rel.oid
  left join pg_tablespace t on t.oid = rel.reltablespace
  union all
  select 'policy', q || '.' || quote_ident(polname), concat_ws('|', polcmd, polpermissive,
    (select string_agg(case r when 0 then 'public' else r::regrole::text end, ',' order by r::regrole::text)
     from unnest(polroles) r),
    pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
  from pg_policy
  join rel on rel.oid = polrelid
  union all
  select 'trigger', q || '.' || quote_ident(tgname), pg_get_triggerdef(t.oid) || '|' || tgenabled::text
  from pg_trigger t
  join rel on rel.oid = tgrelid
  where not tgisinternal
  union all
  select 'rule', q || '.' || quote_ident(rulename), pg_get_ruledef(r.oid) || '|' || ev_enabled::text
  from pg_rewrite r
  join rel on rel.oid = ev_class
  where rulename <> '_RETURN'
  union all
  select 'sequence', q,
    concat_ws('|', seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle)
  from pg_sequence
  join rel on rel.oid = seqrelid
  union all
  select 'function', p.oid::regprocedure::text, concat_ws('|',
    case when prokind <> 'a' then pg_get_functiondef(p.oid) end, proowner::regrole,
    (select string_agg(x::text, ',' order by x::text) from unnest(coalesce(proacl, acldefault('f', proowner))) x))
  from pg_proc p
  join ns on ns.oid = pronamespace
  where not exists (select from of_extension where classid = 'pg_proc'::regclass and objid = p.oid)
  union all
  select 'enum', t.oid::regtype::text, string_agg(enumlabel, ',' order by enumsortorder)
  from pg_type t
  join ns on ns.oid = typnamespace
  join pg_enum e on enumtypid = t.oid
  where not exists (select from of_extension where classid = 'pg_type'::regclass and objid = t.oid)
  group by t.oid
  union all
  select 'domain', t.oid::regtype::text, concat_ws('|', format_type(typbasetype, typtypmod), typnotnull, typdefault)
  from pg_type t
  join ns on ns.oid = typnamespace
  where typtype = 'd'
    and not exists (select from of_extension where classid = 'pg_type'::regclass and objid = t.oid)
  union all
  select 'statistics', format('%%I.%%I', ns.nspname, stxname), pg_get_statisticsobjdef(s.oid)
  from pg_statistic_ext s
  join ns on ns.oid = stxnamespace
  union all
  select 'comment', pg_describe_object(classoid, objoid, objsubid), description
  from pg_description d
  where exists (select from rel where rel.oid = d.objoid and classoid = 'pg_class'::regclass)
),
kept as (
  select kind, ident, coalesce(def, '') as def from items where kind || ' ' || ident <> all (%(excluded)s::text[])
)
select kind, coalesce(ident, '') as ident, count(*) as objects,
  encode(sha256(convert_to(string_agg(ident || E'\x1f' || def, E'\x1e' order by ident collate "C", def collate "C"), 'UTF8')), 'hex') as hash
from kept
group by grouping sets ((kind), (kind, ident))
having grouping(ident) = case when %(detail)s then 0 else 1 end
order by kind collate "C", ident collate "C"
