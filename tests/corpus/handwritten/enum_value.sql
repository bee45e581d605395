-- expect: irreversible: enum
-- setup: store.sql
alter type mood add value if not exists 'ecstatic' after 'high';
