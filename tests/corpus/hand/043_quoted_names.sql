-- expect: round-trip
create schema "Größe";
create table "Größe"."Ma""ß" ("Id" int primary key, "wért" text, "select" int);
create index "Größe idx" on "Größe"."Ma""ß" ("wért", "select");
comment on column "Größe"."Ma""ß"."select" is 'ein Wort';
alter table "Größe"."Ma""ß" add constraint "größer" check ("select" > 0);
