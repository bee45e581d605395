create schema auth;
create table auth.users (id uuid primary key default gen_random_uuid(), email text, created_at timestamptz default now());
create function auth.uid() returns uuid language sql stable as $$ select nullif(current_setting('request.jwt.claim.sub', true), '')::uuid $$;
create table public.organizations (id uuid primary key default gen_random_uuid(), name text not null, created_at timestamptz default now());
create table public.profiles (
  id uuid primary key references auth.users (id) on delete cascade, username text unique,
  org_id uuid references public.organizations (id), updated_at timestamptz
);
create table public.contacts (
  id uuid primary key default gen_random_uuid(), org_id uuid not null references public.organizations (id), phone text, email text,
  opted_out boolean default false, created_at timestamptz default now()
);
create table public.calls (
  id uuid primary key default gen_random_uuid(), org_id uuid not null references public.organizations (id),
  contact_id uuid references public.contacts (id) on delete set null, status text default 'queued', started_at timestamptz, duration_seconds int
);
alter table public.profiles enable row level security;
create policy "Profiles are public" on public.profiles for select using (true);
create function public.handle_new_user() returns trigger language plpgsql security definer set search_path = ''
as $$ begin insert into public.profiles (id) values (new.id); return new; end; $$;
insert into public.organizations (name) values ('one'), ('two');
insert into public.contacts (org_id, phone, email) select id, '+49' || n, 'x' || n || '@example.org' from public.organizations, generate_series(1, 10) n;
insert into public.calls (org_id, contact_id, duration_seconds) select org_id, id, 30 from public.contacts;
create publication supabase_realtime;
