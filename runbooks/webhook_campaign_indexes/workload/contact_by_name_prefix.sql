/*---
title = "Contact search: last names that begin with what was typed"
order = "last_name, id"

[binds]
common = "select 'Mill' as typed"
rare = "select 'Reedson 1' as typed"
absent = "select 'Nobo' as typed"
---*/
-- A plain index finds the beginning of a text in the C locale, as the sandbox's; in any other it takes text_pattern_ops.
select id, first_name, last_name, phone
from contact
where last_name like cast(:'typed' as text) || '%'
order by last_name, id
limit 20;
