-- The elements of the lists of those sightings; of those that are for the tags alone, the tags.

select elements.*
from live.image_builder_elements as elements
join made.open_image_builder_sightings as last
    on elements.arn = last.arn and elements.snapshot_id = last.snapshot_id
where
    elements.element is not null
    and case when elements.field = 'tags' then last.tags_no is not null else not last.is_of_tags end
