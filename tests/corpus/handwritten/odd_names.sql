-- expect: round-trip
-- setup: store.sql
create table "Größe" ("Breite (cm)" int primary key, "select" text, "a""b" text default 'it''s');
create index "Index mit Leerzeichen" on "Größe" ("select");
create index on "Größe" ("Breite (cm)", "a""b");
alter table "Größe" add constraint "Prüfung" check ("Breite (cm)" > 0);
comment on column "Größe"."a""b" is '数据';
