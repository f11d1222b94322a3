-- Running hours and cost by account
--
-- The last {days}, instances and root volumes. The estimate is what is most likely; the least and the most are what
-- the looks prove. What has no known price is in no amount.

select
    account_id,
    max(account_name) as account_name,
    round(sum(usd_estimate), 2) as usd_estimate,
    round(sum(usd_low), 2) as usd_low,
    round(sum(usd_high), 2) as usd_high,
    round(sum(volume_usd_estimate), 2) as of_it_volumes_usd,
    round(sum(unpriced_hours), 1) as unpriced_hours,
    round(avg(looks), 1) as looks_a_day,
    round(sum(hours_estimate), 1) as hours_estimate,
    round(sum(hours_low), 1) as hours_low,
    round(sum(hours_high), 1) as hours_high
from cost_by_day
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
    usd_estimate desc nulls last,
    account_id
