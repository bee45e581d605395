-- expect: round-trip
create extension if not exists btree_gist;
create table bookings (
  id bigserial primary key,
  room int not null,
  during tstzrange not null,
  constraint no_overlap exclude using gist (room with =, during with &&)
);
