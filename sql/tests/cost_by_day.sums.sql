-- No amount of running_cost or volume_cost is lost or counted twice.

select
    days.usd_estimate,
    parts.usd_estimate as parts_usd_estimate
from (
    select coalesce(sum(usd_estimate), 0) as usd_estimate
    from cost_by_day
) as days
cross join (
    select coalesce(sum(usd_estimate), 0) as usd_estimate
    from (
        select usd_estimate
        from running_cost
        union all
        select usd_estimate
        from volume_cost
    ) as amounts
) as parts
where abs(days.usd_estimate - parts.usd_estimate) > 0.000001 * greatest(parts.usd_estimate, 1)
