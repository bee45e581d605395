/*---
title = "Opt-out check: has whoever has this telephone opted out?"
order = "opted_out"
weight = 5

[binds]
common = """
select c.phone
from contact_flag as f
join contact as c on c.id = f.contact_id
where f.flag_type = 'opted_out' and c.phone is not null
group by c.phone
order by count(*) desc, c.phone
limit 2
"""
rare = """
select c.phone
from contact as c
where c.phone is not null and not exists (select 1 from contact_flag as f where f.contact_id = c.id)
order by c.id
limit 1
"""
absent = "select '+15550000000' as phone"
---*/
-- The flag knows the contact, the contact knows the telephone: two indexes, one for each.
select exists (
    select 1
    from contact as c
    join contact_flag as f on f.contact_id = c.id
    where c.phone = cast(:'phone' as text) and f.flag_type = 'opted_out'
) as opted_out;
