/*---
title = "Contact search: what was typed, anywhere in name, telephone or address, in either case"
order = "last_name, first_name, id"

[binds]
common = "select 'mill' as typed"
rare = "select 'reedson 1' as typed"
absent = "select 'nobody' as typed"

[sqlite]
# LIKE makes no difference between upper and lower case there, of the letters A to Z
query = """
select id, first_name, last_name, phone, email
from contact
where first_name like '%' || :typed || '%'
    or last_name like '%' || :typed || '%'
    or phone like '%' || :typed || '%'
    or email like '%' || :typed || '%'
order by last_name, first_name, id
limit 20
"""
---*/
-- What a search box asks, and no B-tree or hash index answers. A trigram index (pg_trgm) would.
select id, first_name, last_name, phone, email
from contact
where first_name ilike '%' || cast(:'typed' as text) || '%'
    or last_name ilike '%' || cast(:'typed' as text) || '%'
    or phone ilike '%' || cast(:'typed' as text) || '%'
    or email ilike '%' || cast(:'typed' as text) || '%'
order by last_name, first_name, id
limit 20;
