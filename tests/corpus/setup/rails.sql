create table users (id bigserial primary key, email character varying default '' not null, name character varying, created_at timestamp(6) without time zone not null default now(), updated_at timestamp(6) without time zone not null default now());
create unique index index_users_on_email on users using btree (email);
create table posts (id bigserial primary key, user_id bigint, title character varying, body text, published boolean default false not null, created_at timestamp(6) without time zone not null default now(), updated_at timestamp(6) without time zone not null default now());
create table schema_migrations (version character varying not null primary key);
create table ar_internal_metadata (key character varying not null primary key, value character varying, created_at timestamp(6) not null, updated_at timestamp(6) not null);
insert into users (email, name) select 'u' || n || '@example.org', 'U' || n from generate_series(1, 10) n;
insert into posts (user_id, title) select n, 'P' || n from generate_series(1, 10) n;
