-- expect: round-trip
-- setup: store.sql
alter type mood rename value 'fair' to 'even';
