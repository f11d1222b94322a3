-- What did each month cost by account, instances and root volumes, and what will this one come to?

select
    month,
    account_id,
    cast(sum(builders) as integer) as builders,
    round(sum(usd_estimate), 2) as usd_estimate,
    round(sum(usd_low), 2) as usd_at_least,
    round(sum(usd_high), 2) as usd_at_most,
    round(sum(volume_usd_estimate), 2) as of_it_volumes_usd,
    round(sum(unpriced_hours), 1) as unpriced_hours,
    round(avg(looks_a_day), 1) as looks_a_day,
    round(sum(hours_estimate)) as hours_estimate,
    round(sum(forecast_usd), 2) as forecast_usd
from cost_by_month
group by
    month,
    account_id
order by
    month desc,
    usd_estimate desc nulls last,
    account_id
