-- The kinds of image builders that are there and that no price of an hour fits, as prices are now.

select
    builders.region,
    builders.instance_type,
    platforms.operating_system,
    count(*) as builders
from image_builders_current as builders
left join platforms
    on builders.platform is not distinct from platforms.platform
left join prices
    on
        prices.unit = 'hour'
        and prices.valid_to is null
        and (prices.instance_type = '*' or prices.instance_type = builders.instance_type)
        and (prices.region = '*' or prices.region = builders.region)
        and (prices.operating_system = '*' or prices.operating_system = platforms.operating_system)
where prices.usd is null
group by
    builders.region,
    builders.instance_type,
    platforms.operating_system
order by
    builders desc,
    builders.region,
    builders.instance_type,
    platforms.operating_system
