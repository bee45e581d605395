-- expect: round-trip
-- setup: store.sql
create table teams (id serial primary key, lead integer, name text unique);
create table members (id serial primary key, team integer references teams, boss integer references members (id));
alter table teams add constraint teams_lead_fkey foreign key (lead) references members (id) deferrable initially deferred;
