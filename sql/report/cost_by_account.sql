-- Running hours and cost by account
--
-- The last {days} days, instances and root volumes. Between the least and the most lies what happened between two looks.

select
    account_id,
    max(account_name) as account_name,
    round(sum(hours_low), 1) as hours_low,
    round(sum(hours_high), 1) as hours_high,
    round(sum(usd_low + coalesce(volume_usd_low, 0)), 2) as usd_low,
    round(sum(usd_high + coalesce(volume_usd_high, 0)), 2) as usd_high,
    round(sum(case when not is_priced then hours_high else 0 end), 1) as unpriced_hours
from running_cost
left join (
    select
        account_id,
        max(account_name) as account_name
    from coverage
    group by account_id
) as accounts
    using (account_id)
where cost_date > cast((select max(observed_at) from looks) as date) - $days
group by account_id
order by
    usd_high desc nulls last,
    account_id
