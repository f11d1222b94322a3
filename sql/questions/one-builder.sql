-- What happened to one builder?

select
    version,
    valid_from,
    valid_to,
    state,
    began,
    ended
from image_builder_history
where name = 'blender-03'
order by version
