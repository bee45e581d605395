-- The statements that make a table, view, materialized view or sequence as it is, in order; with a column's number
-- those that add that column with all that goes when it is dropped. Owners, privileges and comments of the relation
-- itself are those of object_traits.sql. `lacking` says what no statement brings back, `instead` is tried where rows
-- stand in a statement's way, `sequence` is one whose last value is to be set. Run with search_path = pg_catalog.
with relation as (
  select c.*, format('%%I.%%I', n.nspname, c.relname) as q,
    case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'
      else 'table' end as word
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  where c.oid = %(oid)s::int8::oid
),
attribute as (
  select a.*, q, relkind, quote_ident(attname) as attribute
  from relation
  join pg_attribute a on attrelid = relation.oid
  where relkind <> 'S' and attnum > 0 and not attisdropped and %(column)s::int in (0, attnum)
),
-- what goes with the column
going as (
  select classid, objid
  from pg_depend
  where %(column)s::int > 0 and refclassid = 'pg_class'::regclass and refobjid = %(oid)s::int8::oid
    and refobjsubid = %(column)s::int and deptype in ('a', 'i')
),
-- itself, or those of its columns; `of` is the column, `inside` says that it is an identity column's
sequence as (
  select seqrelid, format('%%I.%%I', n.nspname, c.relname) as q, c.relpersistence, refobjid, refobjsubid,
    deptype = 'i' as inside,
    format('%%s.%%s', refobjid::regclass, quote_ident(a.attname)) as of,
    format('as %%s %%s', format_type(seqtypid, null), options) as spelled, options
  from pg_sequence
  join pg_class c on c.oid = seqrelid
  join pg_namespace n on n.oid = c.relnamespace
  cross join lateral (
    select format('start with %%s increment by %%s minvalue %%s maxvalue %%s cache %%s%%s',
      seqstart, seqincrement, seqmin, seqmax, seqcache, case when seqcycle then ' cycle' else '' end)
  ) o(options)
  left join pg_depend on classid = 'pg_class'::regclass and objid = seqrelid and refclassid = 'pg_class'::regclass
    and deptype in ('a', 'i') and refobjsubid > 0
  left join pg_attribute a on a.attrelid = refobjid and a.attnum = refobjsubid
  where seqrelid = %(oid)s::int8::oid or refobjid = %(oid)s::int8::oid and %(column)s::int in (0, refobjsubid)
),
-- without those that a partitioned table's foreign key has for each table of the other side
con as (
  select co.oid, co.contype, co.convalidated, co.conkey, co.conindid, quote_ident(co.conname) as name, q,
    pg_get_constraintdef(co.oid) as def
  from relation
  join pg_constraint co on co.conrelid = relation.oid
  left join pg_constraint parent on parent.oid = co.conparentid
  where co.contype <> 't' and coalesce(parent.conrelid <> co.conrelid, true)
    and (%(column)s::int = 0 or ('pg_constraint'::regclass, co.oid) in (select classid, objid from going))
),
idx as (
  select i.*, relation.q as of, format('%%I.%%I', n.nspname, c.relname) as q, quote_ident(c.relname) as name,
    c.reltablespace,
    c.reloptions, con.oid as behind, coalesce(con.name, quote_ident(c.relname)) as shown
  from relation
  join pg_index i on indrelid = relation.oid
  join pg_class c on c.oid = indexrelid
  join pg_namespace n on n.oid = c.relnamespace
  left join con on conindid = indexrelid and contype in ('p', 'u', 'x')
  where %(column)s::int = 0 or con.oid is not null
    or ('pg_class'::regclass, indexrelid) in (select classid, objid from going)
),
statistic as (
  select s.*, format('%%I.%%I', n.nspname, stxname) as q
  from relation
  join pg_statistic_ext s on stxrelid = relation.oid
  join pg_namespace n on n.oid = stxnamespace
  where %(column)s::int = 0 or ('pg_statistic_ext'::regclass, s.oid) in (select classid, objid from going)
),
-- a column's definition; `strict` is its NOT NULL: a constraint with a name from 18 on
written as (
  select a.*, format('%%s %%s', attribute, format_type(atttypid, atttypmod))
      || coalesce((select ' collate ' || attcollation::regcollation from pg_type where oid = atttypid
        and typcollation <> attcollation and attcollation <> 0), '')
      || case
        when attgenerated <> '' then format(' generated always as (%%s) %%s', pg_get_expr(adbin, adrelid),
          case attgenerated when 's' then 'stored' else 'virtual' end)
        when s.q is not null then format(' generated %%s as identity (sequence name %%s %%s)',
          case attidentity when 'a' then 'always' else 'by default' end, s.q, options)
        else coalesce(' default ' || pg_get_expr(adbin, adrelid), '') end as def,
    case when con.oid is null and attnotnull then ' not null'
      when convalidated then format(' constraint %%s not null%%s', con.name,
        case when con.def like '%% NO INHERIT%%' then ' no inherit' else '' end)
      else '' end as strict,
    s.q is not null as fills_itself
  from attribute a
  left join pg_attrdef on (adrelid, adnum) = (attrelid, attnum)
  left join sequence s on inside and (refobjid, refobjsubid) = (attrelid, attnum)
  left join con on contype = 'n' and conkey[1] = attnum
),
option_list as (
  select
    (select string_agg(format('%%s=%%L', x.name, x.value), ', ' order by x.name collate "C") from (
      select quote_ident(option_name), option_value from pg_options_to_table(relation.reloptions)
      union all
      select 'toast.' || quote_ident(option_name), option_value
      from pg_class toast cross join lateral pg_options_to_table(toast.reloptions)
      where toast.oid = relation.reltoastrelid
    ) x(name, value)) as list
  from relation
),
-- the words behind the list of columns
storage as (
  select coalesce(' partition by ' || case relkind when 'p' then pg_get_partkeydef(relation.oid) end, '')
    || coalesce((select ' using ' || quote_ident(amname) from pg_am where oid = relam), '')
    || coalesce(' with (' || list || ')', '')
    || coalesce((select ' tablespace ' || quote_ident(spcname) from pg_tablespace where oid = reltablespace),
      '') as words
  from relation, option_list
),
names(list) as (select string_agg(attribute, ', ' order by attnum) from attribute),
trig as (
  select t.*, q, word, quote_ident(tgname) as name
  from relation
  join pg_trigger t on tgrelid = relation.oid
  where %(column)s::int = 0
),
rule as (
  select r.*, q, word, quote_ident(rulename) as name
  from relation
  join pg_rewrite r on ev_class = relation.oid
  where rulename <> '_RETURN' and %(column)s::int = 0
),
published as (
  select pr.oid, p.pubname, p.pubowner, f.prqual, f.prattrs
  from pg_publication_rel pr
  join pg_publication p on p.oid = prpubid
  cross join (select null::pg_node_tree as prqual, null::int2vector as prattrs) as older
  cross join lateral (
    select
      (select pg_get_expr(prqual, prrelid) from pg_publication_rel r where r.oid = pr.oid),
      (select string_agg(quote_ident(attname), ', ' order by attnum)
       from pg_publication_rel r
       join pg_attribute on attrelid = prrelid and attnum = any (prattrs)
       where r.oid = pr.oid)
  ) f(prqual, prattrs)
  where prrelid = (select oid from relation) and %(column)s::int = 0
),
commented(what, classid, objid) as (
  select format('constraint %%s on %%s', name, q), 'pg_constraint'::regclass, oid from con
  union all
  select format('index %%s', q), 'pg_class'::regclass, indexrelid from idx
  union all
  select format('statistics %%s', q), 'pg_statistic_ext'::regclass, oid from statistic
  union all
  select format('trigger %%s on %%s', name, q), 'pg_trigger'::regclass, oid from trig where tgparentid = 0
  union all
  select format('rule %%s on %%s', name, q), 'pg_rewrite'::regclass, oid from rule
  union all
  select format('policy %%I on %%s', polname, q), 'pg_policy'::regclass, p.oid
  from relation
  join pg_policy p on polrelid = relation.oid
  where %(column)s::int = 0
),
found(rank, number, statement, instead, lacking, sequence) as (
  select 0, 0, format('create %%ssequence %%s %%s', case relpersistence when 'u' then 'unlogged ' else '' end, q,
    spelled),
    null::text, null::text, null::text
  from sequence
  where inside is not true
  union all
  select 1, 0,
    case when relkind in ('r', 'p') then
      format('create %%stable %%s (%%s)%%s', case relpersistence when 'u' then 'unlogged ' else '' end, q,
        (select string_agg(def || strict, ', ' order by attnum) from written), words)
    when relkind = 'm' then
      format('create materialized view %%s (%%s)%%s as %%s with no data', q, names.list, words, body)
    else format('create view %%s (%%s)%%s as %%s', q, names.list, words, body) end,
    null, null, null
  from relation, storage, names
  cross join lateral (select case when relkind in ('v', 'm') then rtrim(pg_get_viewdef(relation.oid), ';') end) d(body)
  where relkind <> 'S' and %(column)s::int = 0
  union all
  select 1, 0, format('alter table %%s add column %%s%%s', q, def, case when fills_itself then strict else '' end),
    null, null, null
  from written
  where %(column)s::int > 0
  union all
  select 3, 0, format('alter sequence %%s owned by %%s', q, of), null, null, null
  from sequence
  where inside is false
  union all
  select 4, attnum,
    case when strict = ' not null' then format('alter table %%s alter column %%s set not null', q, attribute)
    else format('alter table %%s add%%s', q, strict || ' ' || attribute) end,
    case when strict = ' not null' then '' else format('alter table %%s add%%s not valid', q, strict || ' '
      || attribute) end,
    null, null
  from written
  where %(column)s::int > 0 and strict <> '' and not fills_itself and strict not like '%% no inherit'
  union all
  select 5, attnum, format('alter %%s %%s alter column %%s set %%s', word, a.q, attribute, x), null, null, null
  from attribute a
  join relation on relation.oid = attrelid
  left join pg_attrdef on (adrelid, adnum) = (attrelid, attnum)
  cross join lateral (values
    ('storage ' || case when attstorage <> (select typstorage from pg_type where oid = atttypid) then
      case attstorage when 'p' then 'plain' when 'e' then 'external' when 'm' then 'main' else 'extended' end end),
    ('compression ' || case to_jsonb(a) ->> 'attcompression' when 'p' then 'pglz' when 'l' then 'lz4' end),
    ('statistics ' || case when attstattarget >= 0 then attstattarget end),
    ('(' || (select string_agg(format('%%I=%%L', option_name, option_value), ', ' order by option_name collate "C")
      from pg_options_to_table(attoptions)) || ')'),
    ('default ' || case when a.relkind = 'v' then pg_get_expr(adbin, adrelid) end)
  ) s(x)
  where x is not null
  union all
  select 5, 0, 'refresh materialized view ' || q, null, null, null
  from relation
  where relkind = 'm' and relispopulated
  union all
  -- a key before the foreign keys that may be its own table's
  select case contype when 'f' then 8 else 6 end, 0, format('alter table %%s add constraint %%s %%s', q, name, def),
    case when contype in ('c', 'f', 'n') and def not like '%% NOT VALID' and def not like '%% NOT ENFORCED'
      then format('alter table %%s add constraint %%s %%s not valid', q, name, def) else '' end,
    null, null
  from con
  where contype <> 'n' or not convalidated
    or %(column)s::int > 0 and (select strict like '%% no inherit' and not fills_itself from written)
  union all
  select 6, 1, pg_get_indexdef(indexrelid), '', null, null
  from idx
  where behind is null
  union all
  select 7, number, format(x, q, of, name), '', null, null
  from idx
  cross join lateral (values
    (1, 'alter index %%1$s set tablespace ' || (select quote_ident(spcname) from pg_tablespace
      where oid = reltablespace)),
    (2, case when behind is not null then 'alter index %%1$s set (' || replace(
      (select string_agg(format('%%I=%%L', option_name, option_value), ', ') from pg_options_to_table(reloptions)),
      '%%', '%%%%') || ')' end),
    (3, case when indisclustered then 'alter table %%2$s cluster on %%3$s' end),
    (4, case when indisreplident then 'alter table %%2$s replica identity using index %%3$s' end)
  ) s(number, x)
  where x is not null
  union all
  select 7, 5, format('alter index %%s alter column %%s set statistics %%s', q, attnum, attstattarget), '', null, null
  from idx
  join pg_attribute on attrelid = indexrelid
  where attstattarget >= 0
  union all
  select 7, 6, format('alter table %%s replica identity %%s', q, case relreplident when 'f' then 'full'
    else 'nothing' end),
    null, null, null
  from relation
  where relkind in ('r', 'p') and relreplident in ('f', 'n') and %(column)s::int = 0
  union all
  select 9, 0, format('alter table %%s attach partition %%s %%s', inhparent::regclass, q, pg_get_expr(relpartbound,
    relation.oid)),
    null, null, null
  from relation
  join pg_inherits on inhrelid = relation.oid
  where relispartition and %(column)s::int = 0
  union all
  select 10, n, x, null, null, null
  from statistic
  cross join lateral (values
    (1, pg_get_statisticsobjdef(oid)), (2, format('alter statistics %%s owner to %%I', q, pg_get_userbyid(stxowner))),
    (3, 'alter statistics ' || q || ' set statistics ' || case when stxstattarget >= 0 then stxstattarget end)
  ) s(n, x)
  where x is not null
  union all
  select 11, 0, format('alter table %%s %%s row level security', q, x), null, null, null
  from relation
  cross join lateral (values (case when relrowsecurity then 'enable' end), (case when relforcerowsecurity
    then 'force' end)) s(x)
  where x is not null and %(column)s::int = 0
  union all
  select 12, 0, rtrim(pg_get_ruledef(oid), ';'), null, null, null from rule
  union all
  select 12, 1, pg_get_triggerdef(oid), null, null, null from trig where not tgisinternal and tgparentid = 0
  union all
  select 13, 0, format('alter %%s %%s %%s rule %%s', word, q, state, name), null, null, null
  from rule
  join (values ('D', 'disable'), ('A', 'enable always'), ('R', 'enable replica')) s(enabled, state)
    on enabled = ev_enabled::text
  union all
  select 13, 1, format('alter %%s %%s %%s trigger %%s', word, q, state, name), null,
    case when tgisinternal then
      format('triggers of constraints of %%s are disabled or set otherwise', q) end, null
  from trig
  join (values ('D', 'disable'), ('O', 'enable'), ('A', 'enable always'), ('R', 'enable replica')) s(enabled, state)
    on enabled = tgenabled::text
  where tgenabled <> 'O' or tgenabled <> (select p.tgenabled from pg_trigger p where p.oid = trig.tgparentid)
  union all
  select 14, 0,
    format('alter publication %%I add table %%s', pubname, q) || coalesce(' (' || prattrs || ')', '')
      || coalesce(' where (' || prqual || ')', ''),
    null, case when not pg_has_role(pubowner, 'usage') then
      format('publication %%I, which only %%I may add it to again, holds %%s', pubname, pg_get_userbyid(pubowner),
        q) end, null
  from published, relation
  union all
  select 18, 0, format('comment on %%s is %%L', what, description), '', null, null
  from commented c
  join pg_description d on d.classoid = classid and d.objoid = c.objid and objsubid = 0
  union all
  select 19, 0, '', null, null, q from sequence
  union all
  select 20, 0, '', null, x, null
  from relation
  cross join lateral (values
    (case when reloftype <> 0 then format('%%s is a table of type %%s', q, reloftype::regtype) end),
    (case when relpersistence = 't' then format('%%s is temporary', q) end),
    (case when relkind not in ('r', 'p', 'v', 'm', 'S') then format('%%s is of another kind', q) end),
    (case when %(column)s::int = 0 and not relispartition and exists (select from pg_inherits
      where inhrelid = relation.oid)
      and relkind = 'r' then format('%%s inherits from %%s', q,
        (select string_agg(inhparent::regclass::text, ', ') from pg_inherits where inhrelid = relation.oid)) end),
    ((select format('index %%s is invalid', min(idx.q)) from idx
      where not (indisvalid and indisready and indislive) having count(*) > 0))
  ) s(x)
  where x is not null
)
select rank, number, statement, instead, coalesce(lacking, '') as lacking, coalesce(sequence, '') as sequence
from found
order by rank, number, statement collate "C"
