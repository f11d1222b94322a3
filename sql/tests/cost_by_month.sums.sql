-- A month is the sum of its days.

select
    months.month,
    months.usd_estimate,
    days.usd_estimate as days_usd_estimate
from (
    select
        month,
        coalesce(sum(usd_estimate), 0) as usd_estimate
    from cost_by_month
    group by month
) as months
left join (
    select
        cast(date_trunc('month', cost_date) as date) as month,
        coalesce(sum(usd_estimate), 0) as usd_estimate
    from cost_by_day
    group by cast(date_trunc('month', cost_date) as date)
) as days
    on months.month = days.month
where abs(coalesce(days.usd_estimate, 0) - months.usd_estimate) > 0.000001 * greatest(months.usd_estimate, 1)
