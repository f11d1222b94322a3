-- The elements of the lists of all those.

select *
from since.image_builder_elements
union all by name
select *
from folded.open_image_builder_elements
