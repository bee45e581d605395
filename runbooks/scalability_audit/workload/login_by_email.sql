/*---
title = "The user who signs in, by e-mail address"
weight = 2

[binds]
common = """
select u.email
from users as u
where u.last_login_at is not null
order by u.last_login_at desc, u.id
limit 3
"""
absent = "select 'nobody@nowhere.example' as email"
---*/
select u.id, u.organization_id, u.full_name, u.role, u.is_platform_admin
from users as u
where u.email = :'email'::text;
