"""Listings over real HTTP: what boto3's own paginator gives, and what it does not notice."""

import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import botocore
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import contract
from pipeline.aws import Access, sessions
from pipeline.errors import ConfigurationError, MalformedReplyError
from pipeline.extract import pages, reader, wire
from pipeline.extract.listing import Listing, Selection
from pipeline.sandbox.estate import FixedEstate
from pipeline.sandbox.faults import Fault
from pipeline.sandbox.server import ACCOUNT, Sandbox
from tests.support import NOON, Looker, StartSandbox, builder, estate_of

BUILDERS = 23
MANY = [builder(f"b{i:02d}", VpcConfig={"SubnetIds": [f"s{i}"]}) for i in range(BUILDERS)]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(FixedEstate({(ACCOUNT, "us-east-1"): MANY})) as running:
        yield running


@pytest.fixture(scope="module")
def clients(sandbox: Sandbox) -> Iterator[tuple[Any, Any]]:
    """Our paginator and boto3's own client, of the same endpoint."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [n for n in os.environ if n.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in (sandbox.environment | {"AWS_MAX_ATTEMPTS": "1"}).items():
            patch.setenv(name, value)
        access = Access(sessions.new_session())
        with access.acting_as(()) as lease:
            lease.get_frozen_credentials()  # Now, while the environment has them.
            yield wire.paginator(access, "us-east-1"), boto3.client("appstream", region_name="us-east-1")


def listed_by_boto3(client: Any, selection: Selection) -> tuple[list[list[str]], str | None, str | None]:
    """Names page by page, resume token and error, of boto3's own paginator."""
    config = {
        "PageSize": selection.page_size,
        "MaxItems": selection.max_items,
        "StartingToken": selection.starting_token,
    }
    names = {"Names": list(selection.names)} if selection.names else {}
    replies = client.get_paginator("describe_image_builders").paginate(PaginationConfig=config, **names)
    found = []
    try:
        for reply in replies:
            found.append([b["Name"] for b in reply.get("ImageBuilders") or ()])
    except botocore.exceptions.ClientError as error:
        return found, None, error.response["Error"]["Code"]
    return found, replies.resume_token, None


def listed_by_us(paginator: Any, selection: Selection) -> tuple[list[list[str]], str | None, str | None]:
    listing = Listing(paginator, selection)
    found = []
    try:
        for page in listing:
            found.append([b["Name"] for b in page.builders.to_pylist()])
    except botocore.exceptions.ClientError as error:
        return found, None, error.response["Error"]["Code"]
    return found, listing.resume_token, None


def listed_in_the_end(listing: Listing) -> tuple[list[list[str]], int]:
    """Names page by page, however often it takes, and how often it failed."""
    found: list[list[str]] = []
    for failed in itertools.count():
        try:
            for page in listing:
                found.append([b["Name"] for b in page.builders.to_pylist()])
            return found, failed
        except (botocore.exceptions.ClientError, MalformedReplyError):
            continue
    raise AssertionError


sizes = st.none() | st.integers(1, BUILDERS + 3)
names = st.lists(st.integers(0, BUILDERS).map(lambda i: f"b{i:02d}"), max_size=4).map(tuple)


@given(names, sizes, sizes, sizes, sizes)
def test_a_listing_is_what_boto3_lists(
    clients: tuple[Any, Any],
    names: tuple[str, ...],
    size: int | None,
    limit: int | None,
    first_size: int | None,
    first_limit: int | None,
) -> None:
    ours, theirs = clients
    # A starting token is one that a first listing, of other sizes, left behind.
    token = listed_by_boto3(theirs, Selection(names, first_size, first_limit))[1]
    selection = Selection(names, size, limit, token)
    assert listed_by_us(ours, selection) == listed_by_boto3(theirs, selection)


@given(
    st.integers(1, 5),
    sizes,
    st.booleans(),
    st.sampled_from(["fail", "html", "short"]),
    st.integers(1, BUILDERS),
)
def test_a_page_taken_up_again_changes_nothing_of_what_is_listed(
    sandbox: Sandbox, clients: tuple[Any, Any], size: int, limit: int | None, resumed: bool, kind: str, page: int
) -> None:
    ours, theirs = clients
    first = listed_by_boto3(theirs, Selection(page_size=3, max_items=4))[1] if resumed else None
    selection = Selection((), size, limit, first)
    expected = listed_by_boto3(theirs, selection)
    sandbox.appstream.faults[:] = [Fault(kind, page=page, times=2)]
    listing = Listing(ours, selection)
    found, failed = listed_in_the_end(listing)
    struck = sandbox.appstream.faults[0].struck
    sandbox.appstream.faults.clear()
    assert (found, listing.resume_token) == expected[:2]
    assert failed == struck


def test_a_token_from_elsewhere_means_what_it_means_to_boto3(clients: tuple[Any, Any]) -> None:
    selection = Selection(starting_token="not a token")
    assert listed_by_us(clients[0], selection) == listed_by_boto3(clients[1], selection)


@pytest.mark.parametrize(
    "last",
    [
        b'{"ImageBuilders": [{"Name": "z", "New": {"NextToken": "nested"}}]}',
        b'{"ImageBuilders": [], "New": {"NextToken": "nested"}}',
        b'{"New": [{"NextToken": "nested"}], "ImageBuilders": []}',
        b'{"ImageBuilders": [], "NextToken": ""}',
        b'{"ImageBuilders": [], "NextToken": null, "New": [1]}',
    ],
)
def test_a_member_called_as_the_token_is_none(last: bytes, looker: Callable[..., Looker]) -> None:
    look = looker(*MANY)
    look.sandbox.appstream.faults.append(Fault("body", page=3, value=last))
    row = look.look(page_size=2)
    assert (row["status"], row["pages"], row["complete"]) == ("ok", 3, True)
    assert row["retries"] == 0


def test_replies_of_which_only_some_are_read_already_are_pages_in_their_order(clients: tuple[Any, Any]) -> None:
    replies = iter(clients[0].paginate(PaginationConfig={"PageSize": 5}))
    group = []
    for number in range(5):
        wire.for_this_thread(reads_at_once=number % 2 == 1, listener=None)
        group.append(next(replies) | {reader.RECEIVED_AT: NOON + timedelta(minutes=number)})
    assert [wire.BODY in reply for reply in group] == [True, False, True, False, True]
    read = reader.READER.read(group).result()
    assert read.failure is None
    assert [(at, [b["Name"] for b in page.builders.to_pylist()]) for _, at, page in read.pages] == [
        (NOON + timedelta(minutes=number), [b["Name"] for b in MANY[5 * number : 5 * number + 5]])
        for number in range(5)
    ]


def test_small_replies_of_several_listings_are_read_in_one_call(
    clients: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    wire.for_this_thread(reads_at_once=False, listener=None)
    groups = [
        [reply | {reader.RECEIVED_AT: NOON} for reply in clients[0].paginate(PaginationConfig={"PageSize": size})]
        for size in (5, 12)
    ]
    monkeypatch.setattr(pages, "read_pages", lambda bodies: pytest.fail("each listing's were read by themselves"))
    told = reader._read_together(groups)
    assert [read.failure for read in told] == [None, None]
    assert [[len(page) for _, _, page in read.pages] for read in told] == [[5, 5, 5, 5, 3], [12, 11]]


@pytest.mark.parametrize("token", ['"a\\/b"', '"\\u00e9"', '"\\"quoted\\""'])
@pytest.mark.parametrize("where", ["before", "after"])
def test_a_token_is_what_json_says_it_is(token: str, where: str, looker: Callable[..., Looker]) -> None:
    look = looker(*MANY)
    members = [f'"NextToken": {token}', '"ImageBuilders": []']
    body = f"{{{', '.join(members if where == 'before' else members[::-1])}}}"
    look.sandbox.appstream.faults.append(Fault("body", page=1, value=body))
    look.look(page_size=2)
    asked = [c.parameters.get("NextToken") for c in look.sandbox.appstream.calls]
    assert json.loads(token) in asked


def test_what_fails_late_is_taken_up_where_it_failed(looker: Callable[..., Looker]) -> None:
    look = looker(*(builder(f"b{i:03d}") for i in range(100)))
    look.sandbox.appstream.faults[:] = [Fault("html", page=n, times=1) for n in (17, 33, 40)]
    published = look.publish(page_size=2)
    assert (published.rows[0]["status"], published.rows[0]["pages"], published.rows[0]["retries"]) == ("ok", 50, 3)
    told = look.warehouse.read(contract.IMAGE_BUILDERS, published.snapshot_id)
    assert told["name"].to_pylist() == [f"b{i:03d}" for i in range(100)]


def test_a_builder_was_observed_when_its_page_was_received(looker: Callable[..., Looker]) -> None:
    look = looker(*MANY)
    look.sandbox.appstream.on_page = lambda region, page: look.sandbox.clock.set(NOON + timedelta(minutes=page))
    published = look.publish(page_size=10)
    told = look.warehouse.read(contract.IMAGE_BUILDERS, published.snapshot_id)["observed_at"].to_pylist()
    assert told == [NOON + timedelta(minutes=1 + i // 10) for i in range(BUILDERS)]


@pytest.mark.parametrize(("status", "body"), [(503, b"\xe9 <html>"), (500, b"[]"), (500, b"null"), (400, b"")])
def test_an_error_that_botocore_cannot_parse_is_an_error_by_its_status(
    status: int, body: bytes, looker: Callable[..., Looker]
) -> None:
    look = looker(*MANY)
    look.sandbox.appstream.faults.append(Fault("error_body", value=(status, body)))
    row = look.look()
    assert (row["status"], row["error_code"]) == ("error", str(status))


def test_botocores_own_retries_are_counted(looker: Callable[..., Looker], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "3")
    look = looker(*MANY)
    look.sandbox.appstream.faults.append(Fault("fail", times=1))
    row = look.look()
    assert (row["status"], row["retries"]) == ("ok", 1)


BROKEN = ["html", "empty", "short", "bom", "missing", "null", "error_object", "cut", "twice"]


@pytest.mark.parametrize("page", [1, 2])
@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_reply_is_malformed_and_no_rows(kind: str, page: int, looker: Callable[..., Looker]) -> None:
    look = looker(*MANY)
    look.sandbox.appstream.faults.append(Fault(kind, page=page))
    published = look.publish(page_size=10)
    (row,) = published.rows
    assert (row["status"], row["error_code"], row["complete"], row["builders"]) == (
        "malformed",
        "MalformedReply",
        False,
        0,
    )
    assert row["pages"] == page - 1
    assert row["retries"] == 3, "it was taken up again, looked at from the start, and taken up again"
    assert row["error_message"]
    assert published.counts == dict.fromkeys(published.counts, 0) | {"extracts": 1}


@pytest.mark.parametrize("kind", BROKEN)
def test_boto3s_own_loop_ends_without_a_word_at_the_same_replies(kind: str, start_sandbox: StartSandbox) -> None:
    """Why the bytes are taken before botocore parses them. Where this fails, botocore has got better."""
    start_sandbox(FixedEstate({(ACCOUNT, "us-east-1"): MANY}), faults=[Fault(kind, page=2)])
    pages, token, error = listed_by_boto3(boto3.client("appstream"), Selection(page_size=10))
    assert sum(map(len, pages)) < BUILDERS
    assert (token, error) == (None, None)


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_reply_that_passes_is_tried_again_and_nothing_is_missing(
    kind: str, looker: Callable[..., Looker]
) -> None:
    look = looker(*MANY)
    look.sandbox.appstream.faults.append(Fault(kind, page=2, times=1))
    published = look.publish(page_size=10)
    assert (published.rows[0]["status"], published.rows[0]["retries"]) == ("ok", 1)
    assert published.counts["image_builders"] == BUILDERS


@pytest.mark.parametrize("circle", [1, 2])
def test_tokens_that_go_in_a_circle_end_the_look(circle: int, looker: Callable[..., Looker]) -> None:
    look = looker(*MANY)
    look.look(page_size=5)
    token = look.sandbox.appstream.calls[1].parameters["NextToken"]
    look.sandbox.appstream.faults.append(Fault("repeat_token", page=1 + circle, value=token))
    row = look.look(page_size=5)
    assert (row["status"], row["error_message"]) == (
        "malformed",
        "AWS sent the same NextToken twice, so the listing has no end.",
    )


def test_builders_that_shift_between_pages_are_kept_once_and_counted(looker: Callable[..., Looker]) -> None:
    look = looker(*MANY)
    shown = estate_of(look)[ACCOUNT, "us-east-1"]

    def insert(region: str, page: int) -> None:
        if page == 2:
            # A new builder at the front moves the others by one: b04 is told again, in another state.
            shown.insert(0, builder("a", VpcConfig={"SubnetIds": []}))
            shown[5] = shown[5] | {"State": "STOPPING"}

    look.sandbox.appstream.on_page = insert
    published = look.publish(page_size=5)
    row = published.rows[0]
    assert (row["status"], row["builders"], row["duplicates"]) == ("ok", BUILDERS, 1)
    told = look.warehouse.read(contract.IMAGE_BUILDERS, published.snapshot_id).to_pylist()
    assert [r["name"] for r in told] == [f"b{i:02d}" for i in range(BUILDERS)]
    assert told[4]["state"] == "STOPPING", "the later telling is kept"
    subnets = look.warehouse.read(contract.table("image_builder_subnets"), published.snapshot_id)
    assert subnets["subnet_id"].to_pylist() == [f"s{i}" for i in range(BUILDERS)]


@pytest.fixture
def cbor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A botocore whose model of AppStream has only CBOR, as it may have one day."""
    data = Path(botocore.__file__).parent / "data" / "appstream"
    here = tmp_path / "models" / "appstream"
    shutil.copytree(data, here)
    (version,) = here.iterdir()
    import gzip

    model = json.loads(gzip.decompress((version / "service-2.json.gz").read_bytes()))
    model["metadata"]["protocols"] = ["smithy-rpc-v2-cbor"]
    (version / "service-2.json.gz").unlink()
    (version / "service-2.json").write_text(json.dumps(model))
    # A path of the user's wins over botocore's own data.
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path / "models"))


@pytest.mark.usefixtures("cbor")
def test_where_botocore_speaks_cbor_the_same_rows_come_out(looker: Callable[..., Looker]) -> None:
    full = builder(
        "full",
        CreatedTime=1763890000.125,
        RootVolumeConfig={"VolumeSizeInGb": 300},
        DisableIMDSV1=False,
        ImageBuilderErrors=[{"ErrorCode": "E", "ErrorTimestamp": 1763890001.0}],
    )
    look = looker(*MANY, full)
    published = look.publish(page_size=10, max_items=BUILDERS + 1)
    assert look.sandbox.appstream.calls[0].parameters == {"MaxResults": 10}
    assert (published.rows[0]["status"], published.rows[0]["pages"]) == ("ok", 3)
    row = look.warehouse.read(contract.IMAGE_BUILDERS, published.snapshot_id).to_pylist()[-1]
    assert (row["name"], row["root_volume_config_volume_size_in_gb"], row["is_imdsv1_disabled"]) == ("full", 300, False)
    assert row["created_time"].timestamp() == 1763890000.125
    error = look.warehouse.read(contract.table("image_builder_errors"), published.snapshot_id).to_pylist()[0]
    assert error["error_timestamp"].timestamp() == 1763890001.0


@pytest.mark.usefixtures("cbor")
@pytest.mark.parametrize("page", [1, 2])
@pytest.mark.parametrize("kind", ["missing", "null", "cut", "html"])
def test_a_broken_reply_in_cbor_is_malformed_too(kind: str, page: int, looker: Callable[..., Looker]) -> None:
    look = looker(*MANY)
    look.sandbox.appstream.faults.append(Fault(kind, page=page))
    row = look.look(page_size=10)
    assert (row["status"], row["builders"], row["pages"]) == ("malformed", 0, page - 1)


@pytest.mark.parametrize(
    "selection", [Selection(page_size=0), Selection(max_items=0), Selection(max_items=-1), Selection(("",))], ids=str
)
def test_a_selection_that_cannot_be_is_refused(selection: Selection) -> None:
    with pytest.raises(ConfigurationError, match=r"must be 1 or more|A name is empty"):
        selection.require_fits(1)


def test_a_starting_token_is_for_one_target() -> None:
    Selection(starting_token="t").require_fits(1)
    with pytest.raises(ConfigurationError, match="belongs to one account and region"):
        Selection(starting_token="t").require_fits(2)


def test_a_value_of_another_type_costs_that_value(looker: Callable[..., Looker]) -> None:
    look = looker(*MANY)
    look.sandbox.appstream.faults.append(Fault("misfit"))
    published = look.publish(page_size=10)
    (row,) = published.rows
    assert (row["status"], row["complete"], row["builders"]) == ("ok", True, BUILDERS)
    rows = look.warehouse.read(contract.IMAGE_BUILDERS, published.snapshot_id).to_pylist()
    assert {r["root_volume_config_volume_size_in_gb"] for r in rows} == {None}
    assert {r["extra"] for r in rows} == {'{"RootVolumeConfig": {"VolumeSizeInGb": "200"}}'}
