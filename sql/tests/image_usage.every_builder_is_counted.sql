-- Every builder of now that names its image is counted once.

select
    counted.builders,
    there.builders as builders_there
from (
    select coalesce(sum(builders), 0) as builders
    from image_usage
) as counted
cross join (
    select count(image_arn) as builders
    from image_builders_current
) as there
where counted.builders <> there.builders
