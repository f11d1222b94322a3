-- Every builder of image_builders_current has a current version, which tells the same state.

select
    builders.arn,
    builders.state,
    history.state as history_state
from image_builders_current as builders
left join image_builder_history as history
    on builders.arn = history.arn and history.is_current
where
    history.arn is null
    or builders.state is distinct from history.state
