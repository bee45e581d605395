-- expect: round-trip
-- setup: supabase.sql
create table "public"."webhook_events" (
    "id" bigint generated always as identity not null,
    "org_id" uuid not null,
    "event_id" text not null,
    "payload" jsonb not null,
    "received_at" timestamp with time zone not null default now()
);
CREATE UNIQUE INDEX webhook_events_pkey ON public.webhook_events USING btree (id);
CREATE UNIQUE INDEX webhook_events_event ON public.webhook_events USING btree (org_id, event_id);
alter table "public"."webhook_events" add constraint "webhook_events_pkey" PRIMARY KEY using index "webhook_events_pkey";
alter table "public"."webhook_events" add constraint "webhook_events_org_id_fkey" FOREIGN KEY (org_id) REFERENCES organizations(id) not valid;
alter table "public"."webhook_events" validate constraint "webhook_events_org_id_fkey";
alter table "public"."webhook_events" enable row level security;
