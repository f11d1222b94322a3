-- Each image builder through time: a version of it for every change of its own attributes, as slowly changing
-- dimension of type 2. What was not observed is no change: a look that failed neither ends a version nor begins one.
-- Only a complete look that did not see it ends the last version. The lists of a builder have no versions here; their
-- changes are in image_builder_changes.
--
-- Grain: one row per image builder and version of its attributes.
-- Columns:
--   image_builders.*: as first seen in this version
--   version: the version's number, from 1
--   valid_from: when it was seen first; it may have begun at any moment after changed_after
--   valid_to: when the next version was seen first, or the first complete look that did not see the image builder;
--     null for the newest version of one that was not proved gone
--   is_current: whether valid_to is null
--   changed_after: the last moment at which something else was known: the previous version seen, or the builder not
--     there; null where nothing was
--   last_seen_at: when this version was seen last
--   began: first_seen (no earlier complete look at the target could have seen it), created (one did not), recreated
--     (its created_time is another, so the one of that name before is gone) or changed
--   ended: changed, recreated or deleted; null while it is current

with marked as (
    select
        snapshot_id,
        account_id,
        region,
        arn,
        name,
        display_name,
        description,
        image_arn,
        state,
        state_change_reason_code,
        state_change_reason_message,
        created_time,
        instance_type,
        platform,
        iam_role_arn,
        is_default_internet_access_enabled,
        is_imdsv1_disabled,
        appstream_agent_version,
        latest_appstream_agent_version,
        domain_join_info_directory_name,
        domain_join_info_organizational_unit_distinguished_name,
        network_access_configuration_eni_id,
        network_access_configuration_eni_private_ip_address,
        root_volume_config_volume_size_in_gb,
        agent_access_config_s3_bucket_arn,
        agent_access_config_screenshots_upload_enabled,
        agent_access_config_screen_resolution,
        agent_access_config_screen_image_format,
        agent_access_config_user_control_mode,
        observed_at,
        extra,
        snapshot_date,
        completes_before,
        next_complete_at,
        previous_complete_at,
        lag(observed_at) over builder as previous_seen_at,
        lag(next_complete_at) over builder as previous_next_complete_at,
        lag(arn) over builder is null as is_first,
        coalesce(completes_before > lag(complete_no) over builder, false) as is_back,
        coalesce(created_time > lag(created_time) over builder, false) as is_recreated,
        lead(arn) over builder is null as is_last,
        display_name is distinct from lag(display_name) over builder
        or description is distinct from lag(description) over builder
        or image_arn is distinct from lag(image_arn) over builder
        or state is distinct from lag(state) over builder
        or state_change_reason_code is distinct from lag(state_change_reason_code) over builder
        or state_change_reason_message is distinct from lag(state_change_reason_message) over builder
        or created_time is distinct from lag(created_time) over builder
        or instance_type is distinct from lag(instance_type) over builder
        or platform is distinct from lag(platform) over builder
        or iam_role_arn is distinct from lag(iam_role_arn) over builder
        or is_default_internet_access_enabled is distinct from lag(is_default_internet_access_enabled) over builder
        or is_imdsv1_disabled is distinct from lag(is_imdsv1_disabled) over builder
        or appstream_agent_version is distinct from lag(appstream_agent_version) over builder
        or latest_appstream_agent_version is distinct from lag(latest_appstream_agent_version) over builder
        or domain_join_info_directory_name is distinct from lag(domain_join_info_directory_name) over builder
        or domain_join_info_organizational_unit_distinguished_name is distinct from lag(domain_join_info_organizational_unit_distinguished_name) over builder
        or network_access_configuration_eni_id is distinct from lag(network_access_configuration_eni_id) over builder
        or network_access_configuration_eni_private_ip_address is distinct from lag(network_access_configuration_eni_private_ip_address) over builder
        or root_volume_config_volume_size_in_gb is distinct from lag(root_volume_config_volume_size_in_gb) over builder
        or agent_access_config_s3_bucket_arn is distinct from lag(agent_access_config_s3_bucket_arn) over builder
        or agent_access_config_screenshots_upload_enabled is distinct from lag(agent_access_config_screenshots_upload_enabled) over builder
        or agent_access_config_screen_resolution is distinct from lag(agent_access_config_screen_resolution) over builder
        or agent_access_config_screen_image_format is distinct from lag(agent_access_config_screen_image_format) over builder
        or agent_access_config_user_control_mode is distinct from lag(agent_access_config_user_control_mode) over builder
        or extra is distinct from lag(extra) over builder as is_changed
    from image_builder_sightings
    window builder as (
        partition by arn
        order by observed_at
    )
),

-- The first sighting of every version, and the last of every builder.
edges as (
    select
        *,
        is_first or is_back or is_changed as is_version
    from marked
    where is_first or is_back or is_changed or is_last
),

versions as (
    select
        *,
        row_number() over builder as edge,
        lead(is_version) over builder as next_is_version,
        lead(is_back) over builder as next_is_back,
        lead(is_recreated) over builder as next_is_recreated,
        lead(observed_at) over builder as next_observed_at,
        lead(previous_seen_at) over builder as next_previous_seen_at,
        lead(previous_next_complete_at) over builder as next_previous_next_complete_at,
        lead(next_complete_at) over builder as next_next_complete_at
    from edges
    window builder as (
        partition by arn
        order by observed_at
    )
),

-- Only the last edge of a builder may be no version, so the number of the edge is that of the version.
ends as (
    select
        *,
        case
            when next_is_version is null then next_complete_at
            when not next_is_version then next_next_complete_at
            when next_is_back then next_previous_next_complete_at
            else next_observed_at
        end as valid_to
    from versions
    where is_version
)

select
    snapshot_id,
    account_id,
    region,
    arn,
    name,
    display_name,
    description,
    image_arn,
    state,
    state_change_reason_code,
    state_change_reason_message,
    created_time,
    instance_type,
    platform,
    iam_role_arn,
    is_default_internet_access_enabled,
    is_imdsv1_disabled,
    appstream_agent_version,
    latest_appstream_agent_version,
    domain_join_info_directory_name,
    domain_join_info_organizational_unit_distinguished_name,
    network_access_configuration_eni_id,
    network_access_configuration_eni_private_ip_address,
    root_volume_config_volume_size_in_gb,
    agent_access_config_s3_bucket_arn,
    agent_access_config_screenshots_upload_enabled,
    agent_access_config_screen_resolution,
    agent_access_config_screen_image_format,
    agent_access_config_user_control_mode,
    observed_at,
    extra,
    snapshot_date,
    edge as version,
    observed_at as valid_from,
    valid_to,
    valid_to is null as is_current,
    case
        when is_first or is_back then previous_complete_at
        else previous_seen_at
    end as changed_after,
    case
        when next_is_version is null then observed_at
        when not next_is_version then next_observed_at
        else next_previous_seen_at
    end as last_seen_at,
    case
        when is_back then 'created'
        when is_first and completes_before > 0 then 'created'
        when is_first then 'first_seen'
        when is_recreated then 'recreated'
        else 'changed'
    end as began,
    case
        when valid_to is null then null
        when next_is_version is null or not next_is_version or next_is_back then 'deleted'
        when next_is_recreated then 'recreated'
        else 'changed'
    end as ended
from ends
