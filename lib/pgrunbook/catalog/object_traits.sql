-- What an object loses when it is dropped and made again, as the statements that bring it back: owner, privileges (of
-- its columns too) and comments. `lacking` says what they can't bring back. Run with search_path = pg_catalog.
with object(class, oid, word, kind, name, owner, acl, default_kind, relation) as (
  select 'pg_class'::regclass, c.oid,
    case relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' else 'table' end,
    case relkind when 'S' then 'sequence' else 'table' end, format('%%I.%%I', n.nspname, c.relname), relowner,
    coalesce(relacl, acldefault(case relkind when 'S' then 's'::"char" else 'r' end, relowner)),
    case relkind when 'S' then 'S'::"char" else 'r' end, c.oid
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  where %(class)s = 'pg_class'
  union all
  select 'pg_proc'::regclass, p.oid, w.word, w.word, p.oid::regprocedure::text, proowner,
    coalesce(proacl, acldefault('f', proowner)), 'f', 0
  from pg_proc p
  cross join lateral (select case prokind when 'p' then 'procedure' else 'function' end) w(word)
  where %(class)s = 'pg_proc'
  union all
  select 'pg_type'::regclass, t.oid, 'type', 'type', format('%%I.%%I', n.nspname, typname), typowner,
    coalesce(typacl, acldefault('T', typowner)), 'T', typrelid
  from pg_type t
  join pg_namespace n on n.oid = typnamespace
  where %(class)s = 'pg_type'
  union all
  select 'pg_namespace'::regclass, n.oid, 'schema', 'schema', quote_ident(nspname), nspowner,
    coalesce(nspacl, acldefault('n', nspowner)), 'n', 0
  from pg_namespace n
  where %(class)s = 'pg_namespace'
  union all
  select 'pg_statistic_ext'::regclass, s.oid, 'statistics', '', format('%%I.%%I', n.nspname, stxname), stxowner,
    null, null, 0
  from pg_statistic_ext s
  join pg_namespace n on n.oid = stxnamespace
  where %(class)s = 'pg_statistic_ext'
  union all
  select 'pg_extension'::regclass, e.oid, 'extension', '', quote_ident(extname), 0, null, null, 0
  from pg_extension e
  where %(class)s = 'pg_extension'
  union all
  select 'pg_trigger'::regclass, t.oid, format('trigger %%I on', tgname), '', tgrelid::regclass::text, 0, null, null, 0
  from pg_trigger t
  where %(class)s = 'pg_trigger'
),
this as (select * from object where oid = %(oid)s::int8::oid),
attribute as (
  select this.*, attnum, quote_ident(attname) as attribute, attacl
  from this
  join pg_attribute a on attrelid = relation
  where attnum > 0 and not attisdropped and kind <> 'sequence' and %(column)s::int in (0, attnum)
),
granted as (
  select null::text as attribute, x.* from this cross join lateral aclexplode(acl) x where %(column)s::int = 0
  union all
  select attribute, x.* from attribute cross join lateral aclexplode(attacl) x
),
-- whom a new object's privileges may go to by default
presumed as (
  select 0::oid as role
  union
  select owner from this
  union
  select x.grantee
  from this
  join pg_default_acl on defaclobjtype = default_kind
  cross join lateral aclexplode(defaclacl) x
),
found(rank, number, statement, lacking) as (
  -- an identity column's sequence belongs to whom its table belongs to
  select 2, 0, format('alter %%s %%s owner to %%I', word, name, pg_get_userbyid(owner)), null::text
  from this
  where owner <> 0 and %(column)s::int = 0 and not exists (
    select from pg_depend where (classid, objid) = (class, oid) and deptype = 'i' and refobjsubid > 0
  )
  union all
  select 16, 0,
    format('revoke all on %%s %%s from %%s', kind, name,
      (select string_agg(case role when 0 then 'public' else quote_ident(pg_get_userbyid(role)) end, ', ' order by role)
       from presumed)),
    null
  from this
  where acl is not null and %(column)s::int = 0
  union all
  select 17, 0,
    format('grant %%s on %%s %%s to %%s%%s',
      string_agg(privilege_type || coalesce(' (' || attribute || ')', ''), ', ' order by privilege_type, attribute),
      kind, name, case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end,
      case when is_grantable then ' with grant option' else '' end),
    case when bool_or(grantor <> owner) then
      format('somebody else than its owner granted a privilege on %%s, by which %%s may use it', name,
        case grantee when 0 then 'everybody' else quote_ident(pg_get_userbyid(grantee)) end) end
  from this, granted
  group by kind, name, owner, grantee, is_grantable
  union all
  select 18, 0, format('comment on %%s %%s is %%L', word, name, description), null
  from this
  join pg_description d on (d.classoid, d.objoid, d.objsubid) = (class, oid, 0)
  where %(column)s::int = 0
  union all
  select 18, attnum, format('comment on column %%s.%%s is %%L', name, attribute, description), null
  from attribute
  join pg_description d on (d.classoid, d.objoid, d.objsubid) = ('pg_class'::regclass, relation, attnum)
  union all
  select 20, 0, '', format('%%s has a security label', name)
  from this
  where exists (
    select from pg_seclabel l where (l.classoid, l.objoid) = (class, oid) and %(column)s::int in (0, l.objsubid)
  )
)
select rank, number, statement, null::text as instead, coalesce(lacking, '') as lacking, '' as sequence
from found
order by rank, number, statement collate "C"
