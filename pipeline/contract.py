"""Every table and column of the warehouse, declared once, in one long file because it is one long list.

Whatever needs to know a column derives it from `TABLES`: the JSON reader's schema (extract), the flattening and the
Parquet schema with its descriptions (warehouse), the typed views, the attributes that history and changes compare, the
column comments (views), other engines' DDL, Dagster's column schema (defs), docs/tables.md. Adding a field is adding
one line here, and nothing anywhere else.

The members and their types are those of botocore's service model `appstream/2016-12-01`, shape
`ImageBuilder`, as of botocore 1.44; tests hold the two against each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

import pyarrow as pa

VERSION = 2
"""The contract's version, in every row of `extracts`. It goes up when a column changes its name, type or meaning,
and when files are laid out in a way that older releases do not know (2: files of months and years).
"""

TEXT = pa.string()
FLAG = pa.bool_()
COUNT = pa.int64()
MOMENT = pa.timestamp("us", tz="UTC")

HIVE_KEY = "snapshot_date"
"""The Hive partition key, in the path and not in the files: the UTC day on which the window began."""

EXTRA = "extra"
"""The column that keeps, as JSON, the members of a reply that the contract does not declare."""

DESCRIBE, TAGS = "DescribeImageBuilders", "GetResources"
"""The API operations that tables come from: AppStream's, and the Resource Groups Tagging API's."""


@dataclass(frozen=True)
class Column:
    """A column: its Arrow type, what it means, and the API member it comes from.

    `source` is the path of members from the image builder down, with lists marked by `[]`: `VpcConfig.SubnetIds[]` is
    an element of the list, `ImageBuilderErrors[].ErrorCode` a member of one. None: this project adds the column.

    `is_compared` says whether another value makes a new version in `image_builder_history` and a row of
    `image_builder_changes`.
    """

    name: str
    type: pa.DataType
    description: str
    source: str | None = None
    nullable: bool = True
    is_compared: bool = True

    @property
    def field(self) -> pa.Field:
        return pa.field(self.name, self.type, self.nullable, {"description": self.description})


@dataclass(frozen=True)
class Table:
    """A table: its grain in a sentence, its key and columns, the API operation it comes from.

    A child table has one row per element of a list of the image builder: `explodes` is the path of that list,
    `list_name` what `image_builder_changes.field` calls it, and `separator` stands between the columns of an element
    where it is written as text.
    """

    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    explodes: str | None = None
    operation: str = DESCRIBE
    list_name: str = ""
    separator: str = "="

    @cached_property
    def schema(self) -> pa.Schema:
        """The Parquet schema: every field with its nullability and description, the table with its grain."""
        return pa.schema([c.field for c in self.columns], {"description": self.grain})

    @property
    def api_columns(self) -> tuple[Column, ...]:
        """The columns that come from the API."""
        return tuple(c for c in self.columns if c.source is not None)

    @property
    def attributes(self) -> tuple[Column, ...]:
        """The columns that history and changes compare: the API's own, and what the contract does not declare."""
        return tuple(c for c in self.columns if (c.source or c.name == EXTRA) and c.is_compared)

    def column(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)


def _key_columns() -> tuple[Column, ...]:
    return (
        Column(
            "snapshot_id", TEXT, "The snapshot the row belongs to; sorts by time, unique per attempt.", nullable=False
        ),
        Column("account_id", TEXT, "The AWS account, twelve digits as text.", nullable=False),
        Column("region", TEXT, "The AWS region.", nullable=False),
    )


_ARN = Column("arn", TEXT, "The ARN of the image builder the row belongs to.", nullable=False)


def _child(
    name: str,
    grain: str,
    explodes: str,
    list_name: str,
    *columns: Column,
    position: str = "Position in the list, from 0.",
    operation: str = DESCRIBE,
    separator: str = "=",
) -> Table:
    return Table(
        name,
        grain,
        ("snapshot_id", "arn", "position"),
        (*_key_columns(), _ARN, Column("position", pa.int32(), position, nullable=False), *columns),
        explodes,
        operation,
        list_name,
        separator,
    )


IMAGE_BUILDERS = Table(
    "image_builders",
    "One row per image builder per snapshot.",
    ("snapshot_id", "arn"),
    (
        *_key_columns(),
        Column(
            "arn",
            TEXT,
            "The ARN; where a reply leaves it out, made of partition, region, account and name.",
            "Arn",
            nullable=False,
            is_compared=False,
        ),
        Column("name", TEXT, "The name, unique within account and region.", "Name", nullable=False, is_compared=False),
        Column("display_name", TEXT, "The name to display.", "DisplayName"),
        Column("description", TEXT, "The description.", "Description"),
        Column("image_arn", TEXT, "The ARN of the image it was started from.", "ImageArn"),
        Column("state", TEXT, "The state, RUNNING or STOPPED for instance; an open enum.", "State"),
        Column("state_change_reason_code", TEXT, "Why the state last changed: the code.", "StateChangeReason.Code"),
        Column(
            "state_change_reason_message",
            TEXT,
            "Why the state last changed: the message.",
            "StateChangeReason.Message",
        ),
        # Another created_time is another image builder of the same name, which history tells as such.
        Column("created_time", MOMENT, "When it was created.", "CreatedTime", is_compared=False),
        Column("instance_type", TEXT, "The instance type, stream.standard.medium for instance.", "InstanceType"),
        Column("platform", TEXT, "The operating system, WINDOWS_SERVER_2022 for instance.", "Platform"),
        Column("iam_role_arn", TEXT, "The ARN of the IAM role its instance carries, if any.", "IamRoleArn"),
        Column(
            "is_default_internet_access_enabled",
            FLAG,
            "Whether it reaches the internet by AppStream's own network.",
            "EnableDefaultInternetAccess",
        ),
        Column("is_imdsv1_disabled", FLAG, "Whether instance metadata answers IMDSv2 only.", "DisableIMDSV1"),
        Column("appstream_agent_version", TEXT, "The version of the AppStream agent.", "AppstreamAgentVersion"),
        Column(
            "latest_appstream_agent_version",
            TEXT,
            "Whether that is the latest: the API's own TRUE or FALSE, as text.",
            "LatestAppstreamAgentVersion",
        ),
        Column(
            "domain_join_info_directory_name",
            TEXT,
            "The Active Directory it joins.",
            "DomainJoinInfo.DirectoryName",
        ),
        Column(
            "domain_join_info_organizational_unit_distinguished_name",
            TEXT,
            "The organizational unit its computer account goes to.",
            "DomainJoinInfo.OrganizationalUnitDistinguishedName",
        ),
        Column(
            "network_access_configuration_eni_id",
            TEXT,
            "The elastic network interface in the VPC.",
            "NetworkAccessConfiguration.EniId",
        ),
        Column(
            "network_access_configuration_eni_private_ip_address",
            TEXT,
            "That interface's private IPv4 address.",
            "NetworkAccessConfiguration.EniPrivateIpAddress",
        ),
        Column(
            "root_volume_config_volume_size_in_gb",
            COUNT,
            "The root volume's size in GB.",
            "RootVolumeConfig.VolumeSizeInGb",
        ),
        Column(
            "agent_access_config_s3_bucket_arn",
            TEXT,
            "The bucket that AI agents' screenshots go to.",
            "AgentAccessConfig.S3BucketArn",
        ),
        Column(
            "agent_access_config_screenshots_upload_enabled",
            FLAG,
            "Whether AI agents' screenshots are uploaded.",
            "AgentAccessConfig.ScreenshotsUploadEnabled",
        ),
        Column(
            "agent_access_config_screen_resolution",
            TEXT,
            "The screen that AI agents see.",
            "AgentAccessConfig.ScreenResolution",
        ),
        Column(
            "agent_access_config_screen_image_format",
            TEXT,
            "The format of AI agents' screenshots.",
            "AgentAccessConfig.ScreenImageFormat",
        ),
        Column(
            "agent_access_config_user_control_mode",
            TEXT,
            "What a user may do while an AI agent works.",
            "AgentAccessConfig.UserControlMode",
        ),
        Column("observed_at", MOMENT, "When the page that tells this was received.", nullable=False),
        Column(
            "tags_observed_at",
            MOMENT,
            "When its tags were told, be there any or none, by this look or an earlier one of the window; null where "
            "they were not.",
        ),
        Column(
            EXTRA,
            TEXT,
            "Members outside this contract, as JSON in their place; list elements by their position.",
        ),
    ),
    "",
)

CHILDREN = (
    _child(
        "image_builder_subnets",
        "One row per subnet of an image builder per snapshot.",
        "VpcConfig.SubnetIds",
        "subnet_ids",
        Column("subnet_id", TEXT, "The subnet.", "VpcConfig.SubnetIds[]"),
    ),
    _child(
        "image_builder_security_groups",
        "One row per security group of an image builder per snapshot.",
        "VpcConfig.SecurityGroupIds",
        "security_group_ids",
        Column("security_group_id", TEXT, "The security group.", "VpcConfig.SecurityGroupIds[]"),
    ),
    _child(
        "image_builder_errors",
        "One row per error of an image builder per snapshot.",
        "ImageBuilderErrors",
        "errors",
        Column("error_code", TEXT, "The error's code; an open enum.", "ImageBuilderErrors[].ErrorCode"),
        Column("error_message", TEXT, "The error's message.", "ImageBuilderErrors[].ErrorMessage"),
        # The same error at a later moment is no other list of errors.
        Column(
            "error_timestamp",
            MOMENT,
            "When the error occurred.",
            "ImageBuilderErrors[].ErrorTimestamp",
            is_compared=False,
        ),
        separator=": ",
    ),
    _child(
        "image_builder_access_endpoints",
        "One row per interface VPC endpoint of an image builder per snapshot.",
        "AccessEndpoints",
        "access_endpoints",
        Column("endpoint_type", TEXT, "The kind of endpoint; an open enum.", "AccessEndpoints[].EndpointType"),
        Column("vpce_id", TEXT, "The VPC endpoint.", "AccessEndpoints[].VpceId"),
    ),
    _child(
        "image_builder_ipv6_addresses",
        "One row per IPv6 address of an image builder's network interface per snapshot.",
        "NetworkAccessConfiguration.EniIpv6Addresses",
        "ipv6_addresses",
        Column("ipv6_address", TEXT, "The IPv6 address.", "NetworkAccessConfiguration.EniIpv6Addresses[]"),
    ),
    _child(
        "image_builder_agent_permissions",
        "One row per setting of an image builder's AI agent access per snapshot.",
        "AgentAccessConfig.Settings",
        "agent_permissions",
        Column(
            "agent_action", TEXT, "What an AI agent would do; an open enum.", "AgentAccessConfig.Settings[].AgentAction"
        ),
        Column("permission", TEXT, "Whether it may: ENABLED or DISABLED.", "AgentAccessConfig.Settings[].Permission"),
    ),
    _child(
        "image_builder_tags",
        "One row per tag of an image builder per snapshot, where tags are asked for.",
        "Tags",
        "tags",
        Column("tag_key", TEXT, "The tag's key.", "Tags[].Key"),
        Column("tag_value", TEXT, "The tag's value.", "Tags[].Value"),
        position="Position among the builder's tags in the order of their keys, from 0.",
        operation=TAGS,
    ),
)

EXTRACTS = Table(
    "extracts",
    "One row per target (account and region) per snapshot: how the look went. Its file is the commit.",
    ("snapshot_id", "account_id", "region"),
    (
        *_key_columns(),
        Column("window_start", MOMENT, "The window's first moment.", nullable=False),
        Column("window_end", MOMENT, "The first moment after the window.", nullable=False),
        Column("account_name", TEXT, "The account's name, from the targets file or AWS Organizations."),
        Column(
            "is_configured",
            FLAG,
            "Whether the configuration named the target when the window's newest run of all of it was planned; null "
            "where only runs with regions of their own looked.",
        ),
        Column(
            "configured_at", MOMENT, "When that run planned: the newest such moment says which configuration holds."
        ),
        Column(
            "status",
            TEXT,
            "How it went: ok, denied, not_enabled, throttled, credentials, network, malformed or error.",
            nullable=False,
        ),
        Column(
            "complete",
            FLAG,
            "Whether the look went from the first page to the last, not narrowed by names. Only such a look "
            "proves that a builder is gone.",
            nullable=False,
        ),
        Column("error_code", TEXT, "What ended the look: AWS's error code or the exception's name."),
        Column("error_message", TEXT, "What ended the look, in words."),
        Column("started_at", MOMENT, "When the look began.", nullable=False),
        Column("observed_at", MOMENT, "When the look ended.", nullable=False),
        Column("pages", COUNT, "Pages received.", nullable=False),
        Column("builders", COUNT, "Image builders in the snapshot for this target.", nullable=False),
        Column(
            "duplicates",
            COUNT,
            "Builders told more than once because they shifted between pages; kept once, the later.",
            nullable=False,
        ),
        Column("retries", COUNT, "Calls that were tried again, botocore's own retries included.", nullable=False),
        Column("first_request_id", TEXT, "AWS's request id of the first page."),
        Column("last_request_id", TEXT, "AWS's request id of the last page."),
        Column("resume_token", TEXT, "Where MaxItems cut the listing: boto3's StartingToken to go on with."),
        Column(
            "carried_from",
            TEXT,
            "The earlier snapshot of the same window whose look this row tells of, where a later run did not "
            "look again, or looked and failed, or looked at some builders only.",
        ),
        Column(
            "refreshed_at",
            MOMENT,
            "When the newest later look at some builders ended that rows of them are from; null where there is none.",
        ),
        Column("later_status", TEXT, "How that later look went, where there was one."),
        Column("later_error_code", TEXT, "What ended that later look: AWS's error code or the exception's name."),
        Column("later_error_message", TEXT, "What ended that later look, in words."),
        Column("later_observed_at", MOMENT, "When that later look ended."),
        Column("later_resume_token", TEXT, "Where MaxItems cut that later look."),
        Column(
            "tags_status",
            TEXT,
            "How it went with the tags, in the words of status; null where they were not asked for. Unless it is ok, "
            "tags are missing.",
        ),
        Column("tags_error_code", TEXT, "Why the tags could not be read: AWS's error code or the exception's name."),
        Column("tags_error_message", TEXT, "The same, in words."),
        Column("botocore_version", TEXT, "The botocore that looked.", nullable=False),
        Column("contract_version", COUNT, "The version of this contract.", nullable=False),
        Column(
            "table_rows",
            TEXT,
            "Rows of each data table of the snapshot, as a JSON object: what its files must hold.",
        ),
        Column("run_id", TEXT, "The Dagster run that looked."),
        Column(EXTRA, TEXT, "Members of the replies outside this contract, beside the builders, as JSON."),
    ),
)

DATA_TABLES = (IMAGE_BUILDERS, *CHILDREN)
"""The tables that hold image builders, in the order in which they are written."""

TABLES = (*DATA_TABLES, EXTRACTS)
"""All tables of a snapshot of image builders; the commit comes last."""

PRICES = Table(
    "instance_prices",
    "One row per price of an image builder's instance, or of a GB of its root volume, per price snapshot. Each file is "
    "a snapshot of its own.",
    ("snapshot_id", "region", "instance_type", "operating_system", "sku"),
    (
        Column("snapshot_id", TEXT, "The price snapshot; sorts by time.", nullable=False),
        Column("region", TEXT, "The AWS region.", nullable=False),
        Column(
            "instance_type",
            TEXT,
            "The instance type; root-volume for a GB of root volume above what is included.",
            nullable=False,
        ),
        Column(
            "operating_system",
            TEXT,
            "The operating system as prices know it: Windows, BYOL, Amazon Linux, RHEL, Rocky Linux, Ubuntu Pro; else "
            "AWS's own word; * for any.",
            nullable=False,
        ),
        Column("unit", TEXT, "What the price is for: hour, or gb-month.", nullable=False),
        Column("usd", pa.float64(), "The price of a unit in US dollars, on demand.", nullable=False),
        Column("sku", TEXT, "AWS's stock keeping unit.", nullable=False),
        Column("effective_date", MOMENT, "Since when AWS says that it holds."),
        Column("observed_at", MOMENT, "When AWS was asked.", nullable=False),
    ),
)
"""AWS's price list, which is fetched seldom and kept apart from the snapshots of image builders."""


def table(name: str) -> Table:
    return next(t for t in TABLES if t.name == name)


def _nest(tree: dict[str, Any], path: str, leaf: pa.DataType) -> None:
    head, _, rest = path.partition(".")
    member = head.removesuffix("[]")
    if head.endswith("[]"):
        if not rest:
            tree[member] = [leaf]
            return
        tree = tree.setdefault(member, [{}])[0]
        _nest(tree, rest, leaf)
    elif rest:
        _nest(tree.setdefault(member, {}), rest, leaf)
    else:
        tree[member] = leaf


def _arrow(node: Any) -> pa.DataType:
    if isinstance(node, dict):
        return pa.struct([(k, _arrow(v)) for k, v in node.items()])
    if isinstance(node, list):
        return pa.list_(_arrow(node[0]))
    # JSON carries moments as epoch seconds (AWS JSON 1.1 protocol).
    return pa.float64() if node == MOMENT else node


def api_columns() -> Iterator[tuple[Table, Column]]:
    """Every column that comes from DescribeImageBuilders, with its table."""
    return ((t, c) for t in DATA_TABLES if t.operation == DESCRIBE for c in t.api_columns)


def _builder_type() -> pa.StructType:
    tree: dict[str, Any] = {}
    for _, column in api_columns():
        assert column.source
        _nest(tree, column.source, column.type)
    return _arrow(tree)


BUILDER = _builder_type()
"""An image builder as the API nests it: the type that JSON is read as."""

TAG_LIST = pa.list_(pa.struct([("Key", TEXT), ("Value", TEXT)]))
"""The tags of an image builder as the Resource Groups Tagging API nests them."""

LOOKED = pa.schema(
    [
        pa.field("account_id", TEXT, nullable=False),
        pa.field("region", TEXT, nullable=False),
        pa.field("observed_at", MOMENT, nullable=False),
        pa.field("arn", TEXT, nullable=False),
        pa.field("builder", BUILDER, nullable=False),
        pa.field(EXTRA, TEXT),
        pa.field("tags", TAG_LIST),
    ]
)
"""What extract hands to the warehouse: one row per image builder, as the API nests it, in the order of the pages."""


def member(array: pa.Array, path: str) -> pa.Array:
    """The array of a member of structs, by its path (`VpcConfig.SubnetIds`); null where a struct is null."""
    import pyarrow.compute as pc  # Here, because it takes a while to be loaded and most need only the names above.

    return reduce(pc.struct_field, path.split("."), array)
