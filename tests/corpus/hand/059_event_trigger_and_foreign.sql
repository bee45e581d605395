-- expect: round-trip
create extension postgres_fdw;
create server far foreign data wrapper postgres_fdw options (dbname 'x');
