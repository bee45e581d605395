/*---
title = "A Rails application of many years: polymorphic keys, few constraints"
unread = ["public.index_versions_on_event", "public.index_users_on_admin"]

[[expected]]
lint = "filtered_without_index"
any = ["public.likes (likeable_id, likeable_type)", "public.likes (likeable_type, likeable_id)", "public.likes (likeable_id)"]
level = "important"
why = "the likes of a post, asked for with each post"
[[expected]]
lint = "filtered_without_index"
object = "public.posts (user_id)"
why = "an association without an index; there is no foreign key either"
[[expected]]
lint = "index_duplicate"
object = "public.index_users_on_email_plain"
level = "routine"
why = "beside the unique one of the same column"
[[expected]]
lint = "index_mostly_null"
object = "public.index_users_on_deleted_at"
level = "routine"
why = "acts_as_paranoid: hardly anybody is deleted"
[[expected]]
lint = "index_mostly_null"
object = "public.index_users_on_reset_token"
level = "routine"
why = "hardly anybody resets a password"
[[expected]]
lint = "index_unused"
object = "public.index_versions_on_event"
level = "noted"
why = "never read"
[[expected]]
lint = "index_unused"
object = "public.index_users_on_admin"
level = "noted"
why = "never read"
[[expected]]
lint = "index_low_selectivity"
object = "public.index_versions_on_event"
level = "routine"
why = "create, update, destroy"
[[expected]]
lint = "index_breaks_hot"
object = "public.index_users_on_current_sign_in_at"
level = "routine"
why = "set at each sign-in"
[[expected]]
lint = "integer_key_exhaustion"
object = "public.versions.id"
level = "routine"
why = "a serial of Rails 4, at three quarters"
[[expected]]
lint = "sequence_exhaustion"
object = "public.versions_id_seq"
level = "routine"
why = "serial makes an int sequence"
[[expected]]
lint = "query_n_plus_one"
object = "query author"
why = "each post loads its author"
[[expected]]
lint = "query_select_star"
object = "query author"
level = "noted"
why = "eleven columns"
[[expected]]
lint = "query_select_star"
object = "query posts_of_user"
level = "routine"
why = "bodies of more than a kilobyte"

[[allowed]]
lint = "query_select_star"
object = "query index_page"
why = "just below a hundred calls"
[[allowed]]
lint = "query_n_plus_one"
object = "query likes_of_post"
why = "asked for with each post as well, but by a polymorphic key"

[[never]]
lint = "filtered_without_index"
object = "public.comments (commentable_id)"
why = "an index has the type, then the id"
[[never]]
lint = "filtered_without_index"
object = "public.users (email)"
why = "unique"
[[never]]
lint = "index_prefix"
object = "public.index_comments_on_commentable"
why = "nothing is longer"
[[never]]
lint = "query_unbounded"
object = "query taken"
why = "LIMIT 1"
[[never]]
lint = "index_low_selectivity"
object = "public.index_users_on_admin"
why = "3,000 rows"
[[never]]
lint = "query_n_plus_one"
object = "query taken"
why = "a validation, by a value"
[[never]]
lint = "fk_without_index"
object = "public.comments (user_id)"
why = "indexed"
---*/
create table schema_migrations (version varchar primary key);
create table ar_internal_metadata (key varchar primary key, value varchar, created_at timestamp not null, updated_at timestamp not null);
create table users (
  id bigserial primary key,
  email varchar not null,
  name varchar not null,
  admin boolean not null default false,
  reset_token varchar,
  sign_in_count int not null default 0,
  current_sign_in_at timestamp,
  locale varchar not null default 'en',
  created_at timestamp not null,
  updated_at timestamp not null,
  deleted_at timestamp
);
create unique index index_users_on_email on users (email);
create index index_users_on_email_plain on users (email);
create index index_users_on_deleted_at on users (deleted_at);
create index index_users_on_reset_token on users (reset_token);
create index index_users_on_current_sign_in_at on users (current_sign_in_at);
create index index_users_on_admin on users (admin);
create table posts (
  id bigserial primary key,
  user_id bigint not null,
  title varchar not null,
  body text not null,
  created_at timestamp not null
);
create index index_posts_on_created_at on posts (created_at);
create table comments (
  id bigserial primary key,
  commentable_type varchar not null,
  commentable_id bigint not null,
  user_id bigint not null references users,
  body text not null
);
create index index_comments_on_commentable on comments (commentable_type, commentable_id);
create index index_comments_on_user_id on comments (user_id);
create table likes (id bigserial primary key, likeable_type varchar not null, likeable_id bigint not null, user_id bigint not null);
create index index_likes_on_user_id on likes (user_id);
create table versions (id serial primary key, item_type varchar not null, item_id bigint not null, event varchar not null, created_at timestamp not null);
create index index_versions_on_item on versions (item_type, item_id);
create index index_versions_on_event on versions (event);
insert into schema_migrations select '20150101' || lpad(i::text, 6, '0') from generate_series(1, 400) i;
insert into users (email, name, reset_token, current_sign_in_at, created_at, updated_at, deleted_at)
  select 'u' || i || '@example.com', 'U' || i, case when i % 40 = 0 then md5(i::text) end, now() - interval '1 hour' * (i % 700),
    now() - interval '900 days' * (1 - i / 3000.0), now(), case when i % 100 = 0 then now() end from generate_series(1, 3000) i;
insert into posts (user_id, title, body, created_at)
  select 1 + i % 1500, 'Post ' || i, (select string_agg(md5(i::text || n), ' ') from generate_series(1, 40) n), now() - interval '800 days' * (1 - i / 3000.0)
  from generate_series(1, 3000) i;
insert into comments (commentable_type, commentable_id, user_id, body)
  select (array['Post', 'Photo'])[1 + i % 2], 1 + i % 3000, 1 + i % 2500, 'Nice ' || i from generate_series(1, 12000) i;
insert into likes (likeable_type, likeable_id, user_id)
  select (array['Post', 'Comment'])[1 + i % 2], 1 + i % 900, 1 + i % 2500 from generate_series(1, 14000) i;
insert into versions (item_type, item_id, event, created_at)
  select 'Post', 1 + i % 3000, (array['create', 'update', 'update', 'destroy'])[1 + i % 4], now() - interval '700 days' * (1 - i / 12000.0)
  from generate_series(1, 12000) i;
select setval('versions_id_seq', 1610000000);

-- workload: 60 index_page
SELECT "posts".* FROM "posts" ORDER BY "posts"."created_at" DESC LIMIT 25;
-- workload: 1400 author
SELECT "users".* FROM "users" WHERE "users"."id" = :k LIMIT 1;
-- workload: 250 likes_of_post
SELECT COUNT(*) FROM "likes" WHERE "likes"."likeable_id" = :k AND "likes"."likeable_type" = 'Post';
-- workload: 150 comments_of_post
SELECT "comments"."id", "comments"."body" FROM "comments" WHERE "comments"."commentable_id" = :k AND "comments"."commentable_type" = 'Post' ORDER BY "comments"."id";
-- workload: 140 posts_of_user
SELECT "posts".* FROM "posts" WHERE "posts"."user_id" = :k;
-- workload: 300 taken
SELECT 1 AS one FROM "users" WHERE "users"."email" = 'u5@example.com' LIMIT 1;
-- workload: 1200 sign_in
UPDATE "users" SET "current_sign_in_at" = now() + interval '1 s' * :k, "sign_in_count" = "sign_in_count" + 1, "updated_at" = now() WHERE "users"."id" = :k;
-- workload: 60 like
INSERT INTO "likes" ("likeable_type", "likeable_id", "user_id") VALUES ('Post', :k, 7);
-- workload: 20 publish
INSERT INTO "posts" ("user_id", "title", "body", "created_at") VALUES (:k, 'New', 'New', now());
