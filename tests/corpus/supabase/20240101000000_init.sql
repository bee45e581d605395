-- expect: round-trip
create extension if not exists "citext" with schema "public";

create table "public"."members" (
    "id" uuid not null default gen_random_uuid(),
    "email" citext not null,
    "created_at" timestamp with time zone not null default now()
);

alter table "public"."members" enable row level security;

CREATE UNIQUE INDEX members_pkey ON public.members USING btree (id);

alter table "public"."members" add constraint "members_pkey" PRIMARY KEY using index "members_pkey";
