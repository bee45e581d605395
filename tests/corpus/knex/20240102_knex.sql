-- expect: round-trip
create table "tokens" ("id" uuid default gen_random_uuid(), "token" varchar(255) not null, "revoked" boolean default '0', constraint "tokens_pkey" primary key ("id"));
alter table "tokens" add constraint "tokens_token_unique" unique ("token");
create index "tokens_revoked_index" on "tokens" ("revoked");
