-- expect: round-trip
create role corpus_made nologin;
