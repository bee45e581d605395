/*---
title = "Services lookup: names and prices for lead scoring"
order = "created_at desc, id"
weight = 2

[binds]
common = """
select s.org_id as org
from services as s
group by s.org_id
order by count(*) desc, s.org_id
limit 2
"""
rare = """
select s.org_id as org
from services as s
group by s.org_id
order by count(*), s.org_id
limit 1
"""
absent = "select '00000000-0000-0000-0000-000000000000'::uuid as org"
---*/
select *
from services
where org_id = :'org'::uuid
order by created_at desc;
