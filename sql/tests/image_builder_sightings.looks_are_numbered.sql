-- A sighting is of a look that is complete, or lies between two that are.

select
    snapshot_id,
    arn,
    complete_no,
    completes_before
from image_builder_sightings
where
    complete_no < completes_before
    or complete_no > completes_before + 1
