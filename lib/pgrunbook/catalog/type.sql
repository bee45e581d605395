-- A type as a person would write it, made of what the catalog holds; `labels` are an enum's values in order. Of a
-- domain's constraints only those `named` bear their names here: the server chose the others'. Run with
-- search_path = pg_catalog.
with t as (select * from pg_type where oid = to_regtype(%(name)s)),
range as (
  select format('range (%%s)', concat_ws(', ',
      'subtype = ' || format_type(rngsubtype, null),
      'subtype_opclass = ' || format('%%I.%%I', o.opcnamespace::regnamespace::text, o.opcname),
      'collation = ' || nullif(rngcollation, 0)::regcollation,
      'canonical = ' || nullif(rngcanonical::oid, 0)::regproc,
      'subtype_diff = ' || nullif(rngsubdiff::oid, 0)::regproc)) as definition,
    format_type((to_jsonb(r) ->> 'rngmultitypid')::oid, null) as multirange
  from t
  join pg_range r on rngtypid = t.oid
  join pg_opclass o on o.oid = rngsubopc
)
select
  case typtype
    when 'e' then 'enum'
    when 'c' then coalesce(
      (select format('(%%s)', string_agg(
          concat_ws(' ', quote_ident(attname), format_type(atttypid, atttypmod),
            case when attcollation <> 0 then 'collate ' || attcollation::regcollation end), ', ' order by attnum))
       from pg_attribute
       join pg_class c on c.oid = attrelid
       where attrelid = typrelid and relkind = 'c' and attnum > 0 and not attisdropped
       having count(*) > 0),
      (select case when relkind = 'c' then '()' else 'the rows of a table' end from pg_class where oid = typrelid))
    when 'r' then (select definition from range)
    when 'd' then concat_ws(' ', 'domain', format_type(typbasetype, typtypmod),
      case when typcollation <> 0 then 'collate ' || typcollation::regcollation end,
      'default ' || pg_get_expr(typdefaultbin, 0),
      case when typnotnull then 'not null' end,
      (select string_agg(concat_ws(' ',
          case when conname = any (%(named)s::text[]) then 'constraint ' || quote_ident(conname) end,
          pg_get_constraintdef(co.oid)), ' ' order by pg_get_constraintdef(co.oid), conname)
       from pg_constraint co
       where contypid = t.oid))
    else 'a type of another kind (' || typtype::text || ')'
  end as definition,
  array(select enumlabel::text from pg_enum where enumtypid = t.oid order by enumsortorder) as labels,
  (select multirange from range) as multirange
from t
order by t.oid
