/*---
title = "Contact by e-mail address, exactly"
order = "id"

[binds]
common = """
select c.email
from contact as c
where c.email is not null
order by c.id desc
limit 1
"""
absent = "select 'nobody@mail.example' as email"
---*/
select id, first_name, last_name, phone
from contact
where email = cast(:'email' as text);
