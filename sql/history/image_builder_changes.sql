-- What changed, when, from what to what. A builder is created where an earlier complete look did not see it, deleted
-- where a later one does not, recreated where AWS tells another created_time (one row for each of the two); one that no
-- earlier look could have seen is seen first. Lists are compared as sets. What was not observed is no change.
--
-- Grain: one row per image builder, moment and field.
-- Columns:
--   account_id: the AWS account
--   region: the AWS region
--   arn: the image builder
--   name: its name
--   changed_at: when a look told it first
--   changed_after: when a look told otherwise last: it changed between the two; null where nobody had looked
--   change: created, deleted, changed or first_seen
--   field: the column of image_builders that changed, or the list: subnet_ids, security_group_ids, errors,
--     access_endpoints, ipv6_addresses, agent_permissions, tags; null where the builder itself came or went
--   from_value: what it was before, as text; a list's elements in order
--   to_value: what it is since, likewise

with versions as (
    select
        account_id,
        region,
        arn,
        name,
        valid_from,
        valid_to,
        changed_after,
        last_seen_at,
        began,
        ended,
        display_name,
        description,
        image_arn,
        state,
        state_change_reason_code,
        state_change_reason_message,
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
        extra,
        lag(display_name) over builder as was_display_name,
        lag(description) over builder as was_description,
        lag(image_arn) over builder as was_image_arn,
        lag(state) over builder as was_state,
        lag(state_change_reason_code) over builder as was_state_change_reason_code,
        lag(state_change_reason_message) over builder as was_state_change_reason_message,
        lag(instance_type) over builder as was_instance_type,
        lag(platform) over builder as was_platform,
        lag(iam_role_arn) over builder as was_iam_role_arn,
        lag(is_default_internet_access_enabled) over builder as was_is_default_internet_access_enabled,
        lag(is_imdsv1_disabled) over builder as was_is_imdsv1_disabled,
        lag(appstream_agent_version) over builder as was_appstream_agent_version,
        lag(latest_appstream_agent_version) over builder as was_latest_appstream_agent_version,
        lag(domain_join_info_directory_name) over builder as was_domain_join_info_directory_name,
        lag(domain_join_info_organizational_unit_distinguished_name) over builder as was_domain_join_info_organizational_unit_distinguished_name,
        lag(network_access_configuration_eni_id) over builder as was_network_access_configuration_eni_id,
        lag(network_access_configuration_eni_private_ip_address) over builder as was_network_access_configuration_eni_private_ip_address,
        lag(root_volume_config_volume_size_in_gb) over builder as was_root_volume_config_volume_size_in_gb,
        lag(agent_access_config_s3_bucket_arn) over builder as was_agent_access_config_s3_bucket_arn,
        lag(agent_access_config_screenshots_upload_enabled) over builder as was_agent_access_config_screenshots_upload_enabled,
        lag(agent_access_config_screen_resolution) over builder as was_agent_access_config_screen_resolution,
        lag(agent_access_config_screen_image_format) over builder as was_agent_access_config_screen_image_format,
        lag(agent_access_config_user_control_mode) over builder as was_agent_access_config_user_control_mode,
        lag(extra) over builder as was_extra
    from image_builder_history
    window builder as (
        partition by arn
        order by valid_from
    )
),

fields as (
    select *
    from (
        values
            ('display_name'),
            ('description'),
            ('image_arn'),
            ('state'),
            ('state_change_reason_code'),
            ('state_change_reason_message'),
            ('instance_type'),
            ('platform'),
            ('iam_role_arn'),
            ('is_default_internet_access_enabled'),
            ('is_imdsv1_disabled'),
            ('appstream_agent_version'),
            ('latest_appstream_agent_version'),
            ('domain_join_info_directory_name'),
            ('domain_join_info_organizational_unit_distinguished_name'),
            ('network_access_configuration_eni_id'),
            ('network_access_configuration_eni_private_ip_address'),
            ('root_volume_config_volume_size_in_gb'),
            ('agent_access_config_s3_bucket_arn'),
            ('agent_access_config_screenshots_upload_enabled'),
            ('agent_access_config_screen_resolution'),
            ('agent_access_config_screen_image_format'),
            ('agent_access_config_user_control_mode'),
            ('extra')
    ) as fields (field)
),

scalars as (
    select
        versions.account_id,
        versions.region,
        versions.arn,
        versions.name,
        versions.valid_from as changed_at,
        versions.changed_after,
        fields.field,
        case fields.field
            when 'display_name' then versions.was_display_name
            when 'description' then versions.was_description
            when 'image_arn' then versions.was_image_arn
            when 'state' then versions.was_state
            when 'state_change_reason_code' then versions.was_state_change_reason_code
            when 'state_change_reason_message' then versions.was_state_change_reason_message
            when 'instance_type' then versions.was_instance_type
            when 'platform' then versions.was_platform
            when 'iam_role_arn' then versions.was_iam_role_arn
            when 'is_default_internet_access_enabled' then cast(versions.was_is_default_internet_access_enabled as varchar)
            when 'is_imdsv1_disabled' then cast(versions.was_is_imdsv1_disabled as varchar)
            when 'appstream_agent_version' then versions.was_appstream_agent_version
            when 'latest_appstream_agent_version' then versions.was_latest_appstream_agent_version
            when 'domain_join_info_directory_name' then versions.was_domain_join_info_directory_name
            when 'domain_join_info_organizational_unit_distinguished_name' then versions.was_domain_join_info_organizational_unit_distinguished_name
            when 'network_access_configuration_eni_id' then versions.was_network_access_configuration_eni_id
            when 'network_access_configuration_eni_private_ip_address' then versions.was_network_access_configuration_eni_private_ip_address
            when 'root_volume_config_volume_size_in_gb' then cast(versions.was_root_volume_config_volume_size_in_gb as varchar)
            when 'agent_access_config_s3_bucket_arn' then versions.was_agent_access_config_s3_bucket_arn
            when 'agent_access_config_screenshots_upload_enabled' then cast(versions.was_agent_access_config_screenshots_upload_enabled as varchar)
            when 'agent_access_config_screen_resolution' then versions.was_agent_access_config_screen_resolution
            when 'agent_access_config_screen_image_format' then versions.was_agent_access_config_screen_image_format
            when 'agent_access_config_user_control_mode' then versions.was_agent_access_config_user_control_mode
            when 'extra' then versions.was_extra
        end as from_value,
        case fields.field
            when 'display_name' then versions.display_name
            when 'description' then versions.description
            when 'image_arn' then versions.image_arn
            when 'state' then versions.state
            when 'state_change_reason_code' then versions.state_change_reason_code
            when 'state_change_reason_message' then versions.state_change_reason_message
            when 'instance_type' then versions.instance_type
            when 'platform' then versions.platform
            when 'iam_role_arn' then versions.iam_role_arn
            when 'is_default_internet_access_enabled' then cast(versions.is_default_internet_access_enabled as varchar)
            when 'is_imdsv1_disabled' then cast(versions.is_imdsv1_disabled as varchar)
            when 'appstream_agent_version' then versions.appstream_agent_version
            when 'latest_appstream_agent_version' then versions.latest_appstream_agent_version
            when 'domain_join_info_directory_name' then versions.domain_join_info_directory_name
            when 'domain_join_info_organizational_unit_distinguished_name' then versions.domain_join_info_organizational_unit_distinguished_name
            when 'network_access_configuration_eni_id' then versions.network_access_configuration_eni_id
            when 'network_access_configuration_eni_private_ip_address' then versions.network_access_configuration_eni_private_ip_address
            when 'root_volume_config_volume_size_in_gb' then cast(versions.root_volume_config_volume_size_in_gb as varchar)
            when 'agent_access_config_s3_bucket_arn' then versions.agent_access_config_s3_bucket_arn
            when 'agent_access_config_screenshots_upload_enabled' then cast(versions.agent_access_config_screenshots_upload_enabled as varchar)
            when 'agent_access_config_screen_resolution' then versions.agent_access_config_screen_resolution
            when 'agent_access_config_screen_image_format' then versions.agent_access_config_screen_image_format
            when 'agent_access_config_user_control_mode' then versions.agent_access_config_user_control_mode
            when 'extra' then versions.extra
        end as to_value
    from versions
    cross join fields
    where versions.began = 'changed'
),

-- The sightings of each builder; its lists can change between two of them only if nothing between proves it gone.
sightings as (
    select
        snapshot_id,
        account_id,
        region,
        arn,
        name,
        observed_at,
        look_no,
        tags_no,
        lag(observed_at) over builder as previous_at,
        lag(look_no) over builder as previous_no,
        lead(look_no) over builder as next_no,
        coalesce(completes_before > lag(complete_no) over builder, false)
        or coalesce(created_time > lag(created_time) over builder, false) as is_anew
    from image_builder_sightings
    window builder as (
        partition by arn
        order by observed_at
    )
),

-- Of the sightings, not of extracts anew: a snapshot that is committed meanwhile would be in the one and not the other.
looks as (
    select distinct
        snapshot_id,
        account_id,
        region,
        look_no,
        tags_no
    from sightings
),

-- What the lists hold, of all of them.
elements as (
    select
        'subnet_ids' as field,
        account_id,
        region,
        arn,
        snapshot_id,
        subnet_id as element
    from raw.image_builder_subnets
    union all
    select
        'security_group_ids' as field,
        account_id,
        region,
        arn,
        snapshot_id,
        security_group_id as element
    from raw.image_builder_security_groups
    union all
    select
        'errors' as field,
        account_id,
        region,
        arn,
        snapshot_id,
        concat(coalesce(error_code, ''), ': ', coalesce(error_message, '')) as element
    from raw.image_builder_errors
    union all
    select
        'access_endpoints' as field,
        account_id,
        region,
        arn,
        snapshot_id,
        concat(coalesce(endpoint_type, ''), '=', coalesce(vpce_id, '')) as element
    from raw.image_builder_access_endpoints
    union all
    select
        'ipv6_addresses' as field,
        account_id,
        region,
        arn,
        snapshot_id,
        ipv6_address as element
    from raw.image_builder_ipv6_addresses
    union all
    select
        'agent_permissions' as field,
        account_id,
        region,
        arn,
        snapshot_id,
        concat(coalesce(agent_action, ''), '=', coalesce(permission, '')) as element
    from raw.image_builder_agent_permissions
    union all
    select
        'tags' as field,
        account_id,
        region,
        arn,
        snapshot_id,
        concat(tag_key, '=', coalesce(tag_value, '')) as element
    from raw.image_builder_tags
),

elements_seen as (
    select
        elements.field,
        elements.arn,
        elements.element,
        case
            when elements.field = 'tags' then looks.tags_no
            else looks.look_no
        end as number
    from elements
    join looks
        on
            elements.snapshot_id = looks.snapshot_id
            and elements.region = looks.region
            and elements.account_id = looks.account_id
    where elements.element is not null
),

-- The first and the last of each run of looks in which a builder has an element.
borders as (
    select *
    from (
        select
            field,
            arn,
            element,
            number,
            coalesce(lag(number) over run < number - 1, true) as is_start,
            coalesce(lead(number) over run > number + 1, true) as is_end
        from elements_seen
        where number is not null
        window run as (
            partition by arn, field, element
            order by number
        )
    ) as marked
    where is_start or is_end
),

runs as (
    select *
    from (
        select
            field,
            arn,
            element,
            number as first_number,
            case
                when is_end then number
                else lead(number) over (
                    partition by arn, field, element
                    order by
                        number,
                        case when is_start then 0 else 1 end
                )
            end as last_number,
            is_start
        from borders
    ) as ended
    where is_start
),

-- Tags are compared with those that were told last, however many looks without them lie between.
tag_sightings as (
    select
        account_id,
        region,
        arn,
        name,
        observed_at,
        tags_no,
        max(case when tags_no is not null then observed_at end) over earlier as previous_at,
        max(tags_no) over earlier as previous_no,
        min(tags_no) over later as next_no,
        coalesce(
            max(case when is_anew then look_no end) over upto
            > max(case when tags_no is not null then look_no end) over earlier,
            false
        ) as is_anew
    from sightings
    where arn in (
        select arn
        from runs
        where field = 'tags'
    )
    window
        upto as (
            partition by arn
            order by observed_at
            rows between unbounded preceding and current row
        ),
        earlier as (
            partition by arn
            order by observed_at
            rows between unbounded preceding and 1 preceding
        ),
        later as (
            partition by arn
            order by observed_at
            rows between 1 following and unbounded following
        )
),

list_sightings as (
    select
        account_id,
        region,
        arn,
        name,
        observed_at,
        previous_at,
        look_no as number,
        previous_no,
        next_no,
        is_anew,
        false as is_of_tags
    from sightings
    union all
    select
        account_id,
        region,
        arn,
        name,
        observed_at,
        previous_at,
        tags_no as number,
        previous_no,
        next_no,
        is_anew,
        true as is_of_tags
    from tag_sightings
    where tags_no is not null
),

-- Where a list may have changed: an element's run begins, or the one before has ended.
candidates as (
    select
        field,
        arn,
        first_number as number
    from runs
    union
    select
        runs.field,
        runs.arn,
        sightings.next_no as number
    from runs
    join list_sightings as sightings
        on
            runs.arn = sightings.arn
            and runs.last_number = sightings.number
            and (runs.field = 'tags') = sightings.is_of_tags
    where sightings.next_no is not null
),

pairs as (
    select
        candidates.field,
        sightings.*
    from candidates
    join list_sightings as sightings
        on
            candidates.arn = sightings.arn
            and candidates.number = sightings.number
            and (candidates.field = 'tags') = sightings.is_of_tags
    where
        sightings.previous_no is not null
        and not sightings.is_anew
),

elements_of_pairs as (
    select
        pairs.field,
        pairs.arn,
        pairs.number,
        runs.element,
        pairs.previous_no between runs.first_number and runs.last_number as was_there,
        pairs.number between runs.first_number and runs.last_number as is_there
    from pairs
    join runs
        on pairs.arn = runs.arn and pairs.field = runs.field
    where
        runs.first_number <= pairs.number
        and runs.last_number >= pairs.previous_no
),

sets as (
    select
        field,
        arn,
        number,
        max(case when was_there <> is_there then 1 else 0 end) as is_changed,
        nullif(
            array_to_string(list_sort(array_agg(distinct case when was_there then element end)), ', '), ''
        ) as from_value,
        nullif(
            array_to_string(list_sort(array_agg(distinct case when is_there then element end)), ', '), ''
        ) as to_value
    from elements_of_pairs
    group by
        field,
        arn,
        number
)

select
    account_id,
    region,
    arn,
    name,
    valid_from as changed_at,
    changed_after,
    case began
        when 'recreated' then 'created'
        else began
    end as change,
    cast(null as varchar) as field,
    cast(null as varchar) as from_value,
    cast(null as varchar) as to_value
from versions
where began <> 'changed'
union all
select
    account_id,
    region,
    arn,
    name,
    valid_to as changed_at,
    last_seen_at as changed_after,
    'deleted' as change,
    cast(null as varchar) as field,
    cast(null as varchar) as from_value,
    cast(null as varchar) as to_value
from versions
where ended in ('deleted', 'recreated')
union all
select
    account_id,
    region,
    arn,
    name,
    changed_at,
    changed_after,
    'changed' as change,
    field,
    from_value,
    to_value
from scalars
where from_value is distinct from to_value
union all
select
    pairs.account_id,
    pairs.region,
    pairs.arn,
    pairs.name,
    pairs.observed_at as changed_at,
    pairs.previous_at as changed_after,
    'changed' as change,
    pairs.field,
    sets.from_value,
    sets.to_value
from sets
join pairs
    on sets.field = pairs.field and sets.arn = pairs.arn and sets.number = pairs.number
where sets.is_changed = 1
