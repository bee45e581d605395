/*---
title = "A chat product"
unread = ["public.attachments_url"]

[[expected]]
lint = "fk_without_index"
object = "public.conversations (created_by)"
level = "routine"
why = "2,000 rows, no index"
[[expected]]
lint = "fk_without_index"
object = "public.messages (sender_id)"
level = "important"
why = "the only index leaves deleted messages out; deleting a user reads them all"
[[expected]]
lint = "fk_without_index"
object = "public.reactions (user_id)"
level = "important"
why = "10,000 reactions, the key begins with the message, and users are deleted"
[[expected]]
lint = "index_prefix"
object = "public.messages_conversation"
level = "routine"
why = "messages_conversation_created begins with the same column"
[[expected]]
lint = "index_mostly_null"
object = "public.messages_deleted"
level = "routine"
why = "one message in fifty is deleted"
[[expected]]
lint = "index_low_selectivity"
object = "public.messages_kind"
level = "routine"
why = "text, image, system"
[[expected]]
lint = "index_unused"
object = "public.attachments_url"
level = "noted"
why = "nobody looks for a URL"
[[expected]]
lint = "index_breaks_hot"
object = "public.users_last_seen"
level = "routine"
why = "every heartbeat moves the row"
[[expected]]
lint = "filtered_without_index"
object = "public.sessions (token)"
level = "important"
why = "every request looks its session up by the token"
[[expected]]
lint = "filtered_without_index"
object = "public.sessions (expires_at)"
why = "the clean-up reads all to find the expired ones"
[[expected]]
lint = "query_n_plus_one"
object = "query last_message"
why = "asked once for each conversation of the list"
[[expected]]
lint = "query_unbounded"
object = "query export"
level = "important"
why = "the whole table in one answer"
[[expected]]
lint = "query_deep_offset"
object = "query old_pages"
why = "ten messages of nine thousand that are read"

[[never]]
lint = "fk_without_index"
object = "public.messages (reply_to)"
why = "its partial index leaves out NULL only"
[[never]]
lint = "fk_without_index"
object = "public.participants (conversation_id)"
why = "the primary key begins with it"
[[never]]
lint = "index_unused"
object = "public.sessions_user"
why = "it was read"
[[never]]
lint = "query_unbounded"
object = "query conversation"
why = "LIMIT 50"
[[never]]
lint = "query_n_plus_one"
object = "query login"
why = "each request has its own; no list runs before it"
[[never]]
lint = "index_breaks_hot"
object = "public.users_email_key"
why = "unique, and e-mail addresses hardly change"

[[allowed]]
lint = "filtered_without_index"
object = "public.reactions (user_id)"
why = "the foreign key's check reads by it"
---*/
create table users (
  id bigint generated always as identity primary key,
  email text not null unique,
  display_name text not null,
  last_seen_at timestamptz,
  created_at timestamptz not null default now()
);
create index users_last_seen on users (last_seen_at);
create table conversations (
  id bigint generated always as identity primary key,
  created_by bigint references users,
  topic text,
  created_at timestamptz not null
);
create table participants (
  conversation_id bigint references conversations on delete cascade,
  user_id bigint references users on delete cascade,
  role text not null default 'member',
  primary key (conversation_id, user_id)
);
create index participants_user on participants (user_id);
create table messages (
  id bigint generated always as identity primary key,
  conversation_id bigint not null references conversations on delete cascade,
  sender_id bigint references users on delete set null,
  reply_to bigint references messages,
  kind text not null,
  body text not null,
  created_at timestamptz not null,
  deleted_at timestamptz
);
create table reactions (
  message_id bigint references messages on delete cascade,
  user_id bigint references users on delete cascade,
  emoji text,
  primary key (message_id, user_id, emoji)
);
create table attachments (
  id bigint generated always as identity primary key,
  message_id bigint not null references messages on delete cascade,
  url text not null,
  bytes int not null
);
create table sessions (
  id bigint generated always as identity primary key,
  user_id bigint not null references users on delete cascade,
  token text not null,
  expires_at timestamptz not null
);
insert into users (email, display_name, last_seen_at, created_at)
  select 'user' || i || '@example.org', 'User ' || i, now() - interval '1 hour' * (i % 900), now() - interval '700 days' * (1 - i / 3000.0)
  from generate_series(1, 3000) i;
insert into conversations (created_by, topic, created_at)
  select 1 + i % 2500, 'topic ' || i, now() - interval '600 days' * (1 - i / 2000.0) from generate_series(1, 2000) i;
insert into participants (conversation_id, user_id) select 1 + i % 2000, 1 + (i / 2000 + i % 2000 * 7) % 500 from generate_series(0, 5999) i;
insert into messages (conversation_id, sender_id, reply_to, kind, body, created_at, deleted_at)
  select 1 + i % 2000, 1 + i % 2500, case when i > 100 and i % 4 = 0 then i - 100 end, (array['text', 'text', 'image', 'system'])[1 + i % 4],
    repeat('lorem ' || i || ' ', 10), now() - interval '600 days' * (1 - i / 12000.0), case when i % 50 = 0 then now() - interval '1 hour' * i end
  from generate_series(1, 12000) i;
insert into reactions select 1 + i % 12000, 1 + i % 2500, 'heart' from generate_series(1, 10000) i;
insert into attachments (message_id, url, bytes) select 4 * i, 'https://example.org/' || i, i from generate_series(1, 1500) i;
insert into sessions (user_id, token, expires_at)
  select 1 + i % 2500, md5('session ' || i), now() + interval '1 day' * (i % 400 - 3) from generate_series(1, 12000) i;
create index messages_conversation on messages (conversation_id);
create index messages_conversation_created on messages (conversation_id, created_at desc);
create index messages_sender on messages (sender_id) where deleted_at is null;
create index messages_reply_to on messages (reply_to) where reply_to is not null;
create index messages_deleted on messages (deleted_at);
create index messages_kind on messages (kind);
create index attachments_message on attachments (message_id);
create index attachments_url on attachments (url);
create index sessions_user on sessions (user_id);

-- workload: 200 login
select s.id, s.user_id, u.display_name from sessions s join users u on u.id = s.user_id where s.token = md5('session ' || :k) and s.expires_at > now();
-- workload: 60 expire
delete from sessions where expires_at < now() - interval '2 days';
-- workload: 1300 heartbeat
update users set last_seen_at = now() + interval '1 s' * :k where id = :k;
-- workload: 5 leave
delete from users where id = 2900 + :k;
-- workload: 55 list
select conversation_id, role from participants where user_id = :k;
-- workload: 640 last_message
select id, body from messages where conversation_id = :k and deleted_at is null order by created_at desc limit 1;
-- workload: 80 conversation
select id, sender_id, body, created_at from messages where conversation_id = :k order by created_at desc limit 50;
-- workload: 400 say
insert into messages (conversation_id, sender_id, kind, body, created_at) values (:k, 5, 'text', 'hello', now());
-- workload: 6 export
select id, conversation_id, sender_id, body from messages order by id;
-- workload: 12 old_pages
select id, body from messages order by id limit 10 offset 9000;
