-- What the server could install of an extension: the version asked for, or else its default one.
select
  v.version,
  v.superuser as for_superuser,
  v.trusted,
  v.schema::text as schema,
  coalesce(v.requires::text[], '{}') as requires
from pg_catalog.pg_available_extensions a
join pg_catalog.pg_available_extension_versions v on v.name = a.name
where a.name = %(name)s and v.version = coalesce(%(version)s::text, a.default_version)
order by v.version
