-- expect: round-trip
-- setup: supabase.sql
create schema if not exists "storage";
create table if not exists "storage"."buckets" ("id" text not null primary key, "name" text not null, "public" boolean default false);
create table if not exists "storage"."objects" ("id" uuid not null default gen_random_uuid() primary key, "bucket_id" text references storage.buckets (id), "name" text);
create unique index "bucketid_objname" on "storage"."objects" ("bucket_id", "name");
insert into storage.buckets (id, name) values ('recordings', 'recordings');
