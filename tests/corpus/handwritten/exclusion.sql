-- expect: round-trip
-- setup: store.sql
create table bookings (
    room int,
    during tsrange,
    exclude using gist (during with &&)
);
