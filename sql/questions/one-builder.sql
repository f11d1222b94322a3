-- What happened to one builder?
-- Parameter: name text = blender-03: the image builder's name

select
    account_id,
    region,
    version,
    valid_from,
    valid_to,
    state,
    began,
    ended
from image_builder_history
where name = $name
order by
    account_id,
    region,
    version
