-- What a function or view loses when it is dropped and made again, as the statements that bring it back, in order:
-- owner, privileges, comments; of a view also its columns' defaults, its rules and triggers. `by_another` marks a
-- privilege that somebody else than the owner granted. Run with search_path = pg_catalog.
with object as (
  select
    'pg_proc'::regclass as class, p.oid, case p.prokind when 'p' then 'procedure' else 'function' end as word,
    p.oid::regprocedure::text as name, p.proowner as owner, coalesce(p.proacl, acldefault('f', p.proowner)) as acl,
    'f'::"char" as default_kind
  from pg_proc p
  where p.oid = to_regprocedure(%(function)s::text)
  union all
  select 'pg_class'::regclass, c.oid, 'view', c.oid::regclass::text, c.relowner,
    coalesce(c.relacl, acldefault('r', c.relowner)), 'r'
  from pg_class c
  where c.oid = to_regclass(%(view)s::text) and c.relkind = 'v'
),
attribute as (
  select o.*, a.attnum, quote_ident(a.attname) as attribute, a.attacl
  from object o
  join pg_attribute a on o.class = 'pg_class'::regclass and a.attrelid = o.oid
  where a.attnum > 0 and not a.attisdropped
),
granted as (
  select o.oid, null::text as attribute, x.* from object o cross join lateral aclexplode(o.acl) x
  union all
  select a.oid, a.attribute, x.* from attribute a cross join lateral aclexplode(a.attacl) x
),
-- whom a new object's privileges may go to by default
presumed as (
  select 0::oid as role
  union
  select owner from object
  union
  select x.grantee
  from object
  join pg_default_acl d on d.defaclobjtype = default_kind
  cross join lateral aclexplode(d.defaclacl) x
),
found(rank, number, statement, by_another) as (
  select 1, 0, format('alter %%s %%s owner to %%I', word, name, pg_get_userbyid(owner)), false from object
  union all
  select 2, 0,
    format('revoke all on %%s %%s from %%s', case word when 'view' then 'table' else word end, name,
      (select string_agg(case role when 0 then 'public' else quote_ident(pg_get_userbyid(role)) end, ', ' order by role)
       from presumed)),
    false
  from object
  union all
  select 3, 0,
    format('grant %%s on %%s %%s to %%s%%s',
      string_agg(privilege_type || coalesce(' (' || attribute || ')', ''), ', ' order by privilege_type, attribute),
      case word when 'view' then 'table' else word end, name,
      case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end,
      case when is_grantable then ' with grant option' else '' end),
    bool_or(grantor <> owner)
  from object
  join granted using (oid)
  group by word, name, grantee, is_grantable
  union all
  select 4, attnum, format('alter view %%s alter column %%s set default %%s', name, attribute, pg_get_expr(adbin, adrelid)),
    false
  from attribute
  join pg_attrdef on (adrelid, adnum) = (attribute.oid, attnum)
  union all
  select 5, 0, rtrim(pg_get_ruledef(r.oid), ';'), false
  from object
  join pg_rewrite r on class = 'pg_class'::regclass and ev_class = object.oid
  where rulename <> '_RETURN'
  union all
  select 6, 0, pg_get_triggerdef(t.oid), false
  from object
  join pg_trigger t on class = 'pg_class'::regclass and tgrelid = object.oid
  where not tgisinternal
  union all
  select 7, 0, format('comment on %%s %%s is %%L', word, name, description), false
  from object
  join pg_description d on (d.classoid, d.objoid, d.objsubid) = (class, object.oid, 0)
  union all
  select 8, attnum, format('comment on column %%s.%%s is %%L', name, attribute, description), false
  from attribute
  join pg_description d on (d.classoid, d.objoid, d.objsubid) = (class, attribute.oid, attnum)
  union all
  select 9, 0, format('comment on rule %%I on %%s is %%L', rulename, name, description), false
  from object
  join pg_rewrite r on class = 'pg_class'::regclass and ev_class = object.oid
  join pg_description d on (d.classoid, d.objoid, d.objsubid) = ('pg_rewrite'::regclass, r.oid, 0)
  where rulename <> '_RETURN'
  union all
  select 9, 0, format('comment on trigger %%I on %%s is %%L', tgname, name, description), false
  from object
  join pg_trigger t on class = 'pg_class'::regclass and tgrelid = object.oid
  join pg_description d on (d.classoid, d.objoid, d.objsubid) = ('pg_trigger'::regclass, t.oid, 0)
  where not tgisinternal
)
select statement, by_another from found order by rank, number, statement collate "C"
