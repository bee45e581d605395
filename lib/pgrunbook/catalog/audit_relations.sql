-- The relations that statements name, and those that views among them read. A name without a schema is looked for along
-- the path; where that knows none, it is the only relation of that name, and several are no answer.
-- With pg_catalog as the search path, so that definitions of views name the schemas.
with recursive
named(schema, name) as materialized (
  select w.pair ->> 0, w.pair ->> 1 from pg_catalog.jsonb_array_elements(%(names)s::jsonb) w(pair)
),
candidates as materialized (
  select w.schema, w.name, c.oid, pg_catalog.array_position(%(path)s::text[], n.nspname::text) as place
  from named w
  join pg_catalog.pg_class c on c.relname = w.name::name and c.relkind in ('r', 'p', 'v', 'm', 'f')
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where case when w.schema = '' then n.nspname !~ '^pg_(temp|toast)' else n.nspname = w.schema::name end
),
chosen as materialized (
  select
    x.schema, x.name,
    case when pg_catalog.count(*) = 1 or pg_catalog.min(x.place) is not null
      then (pg_catalog.array_agg(x.oid order by x.place nulls last))[1] end as oid
  from candidates x
  group by x.schema, x.name
),
below(oid) as (
  select x.oid from chosen x where x.oid is not null
  union
  select d.refobjid
  from below b
  join pg_catalog.pg_class v on v.oid = b.oid and v.relkind = 'v'
  join pg_catalog.pg_namespace n on n.oid = v.relnamespace and n.nspname not in ('pg_catalog', 'information_schema')
  join pg_catalog.pg_rewrite r on r.ev_class = v.oid and r.ev_type = '1'
  join pg_catalog.pg_depend d
    on d.classid = 'pg_catalog.pg_rewrite'::regclass and d.objid = r.oid
    and d.refclassid = 'pg_catalog.pg_class'::regclass
  where d.refobjid <> v.oid
),
described as materialized (
  select
    c.oid, n.nspname, c.relname,
    n.nspname ~ '^pg_' or n.nspname in ('information_schema', 'pgrunbook') or exists (
      select from pg_catalog.pg_depend e
      where e.classid = 'pg_catalog.pg_class'::regclass and e.objid = c.oid and e.deptype = 'e'
    ) as system,
    c.relkind = 'v' as is_view
  from (select distinct b.oid from below b) b
  join pg_catalog.pg_class c on c.oid = b.oid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f')
),
attributes as (
  select
    a.attrelid, pg_catalog.array_agg(a.attname::text order by a.attnum) as columns,
    pg_catalog.array_agg(a.attnum::int4 order by a.attnum) as numbers,
    pg_catalog.array_agg(t.typname::text order by a.attnum) as types
  from described d
  join pg_catalog.pg_attribute a on a.attrelid = d.oid and a.attnum > 0 and not a.attisdropped
  join pg_catalog.pg_type t on t.oid = a.atttypid
  group by a.attrelid
)
select
  w.schema, w.name,
  exists (
    select
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relname = d.relname and c.oid <> d.oid and c.relkind in ('r', 'p', 'v', 'm', 'f') and not d.system
      and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  ) as has_namesakes,
  coalesce(d.oid::int8, 0) as oid,
  coalesce(d.nspname::text, '') as found_schema,
  coalesce(d.relname::text, '') as found_name,
  coalesce(d.system, false) as system,
  case when d.is_view and not d.system then pg_catalog.pg_get_viewdef(d.oid) else '' end as definition,
  coalesce(a.columns, '{}') as columns,
  coalesce(a.numbers, '{}') as numbers,
  coalesce(a.types, '{}') as types
from (
  select x.schema, x.name, x.oid from chosen x
  union
  select d.nspname, d.relname, d.oid from described d
) w
left join described d on d.oid = w.oid
left join attributes a on a.attrelid = d.oid
order by 1, 2
