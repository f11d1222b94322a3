-- Every builder that is in a billed state now has a stretch that is open.

select builders.arn
from image_builders_current as builders
join image_builder_states as states
    on builders.state = states.state
left join running_spans as spans
    on builders.arn = spans.arn and spans.is_open
where
    states.is_billed
    and spans.arn is null
