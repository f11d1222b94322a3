-- changes by day

select
    cast(changed_at as date) as day,
    count(*) as number
from image_builder_changes
where change <> 'first_seen'
group by day
order by day desc
limit 14
