/*---
title = "Every agent's counters add up: none is negative, and the total is inbound and outbound"
---*/
select u.id as agent
from voip_users as u
where least(
        u.inbound_calls_daily, u.inbound_calls_weekly, u.inbound_calls_monthly, u.inbound_calls_yearly,
        u.outbound_calls_daily, u.outbound_calls_weekly, u.outbound_calls_monthly, u.outbound_calls_yearly
    ) < 0
    or u.total_calls_daily <> u.inbound_calls_daily + u.outbound_calls_daily
    or u.total_calls_weekly <> u.inbound_calls_weekly + u.outbound_calls_weekly
    or u.total_calls_monthly <> u.inbound_calls_monthly + u.outbound_calls_monthly
    or u.total_calls_yearly <> u.inbound_calls_yearly + u.outbound_calls_yearly
order by u.id;
