-- The same, with the last sighting that told tags of those whose last one did not: a list of tags is compared with it.

select *
from live.image_builder_sightings
union all by name
select * exclude (is_of_tags)
from folded.open_image_builder_sightings
where is_of_tags
