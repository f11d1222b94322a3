"""The bytes of a page: read by Arrow where they are as expected, by Python where they are not, never half."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import MalformedReplyError
from pipeline.extract import pages
from tests.support import builder
from tests.support.effort import examples


def page(*builders: Any, **beside: Any) -> bytes:
    return json.dumps({"ImageBuilders": builders} | beside).encode()


FULL = builder(
    "full",
    CreatedTime=1763890000.123456,
    VpcConfig={"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": []},
    RootVolumeConfig={"VolumeSizeInGb": 200},
    DisableIMDSV1=True,
    ImageBuilderErrors=[{"ErrorCode": "E", "ErrorMessage": "ö\nü", "ErrorTimestamp": 0}],
    AgentAccessConfig={"Settings": [{"AgentAction": "COMPUTER_VISION", "Permission": "ENABLED"}]},
)


def test_both_ways_of_reading_give_the_same_page() -> None:
    body = page(FULL, builder("bare"), NextToken="next")
    read = pages._read_by_arrow([body])
    assert read is not None
    (fast,), slow = read, pages._read_by_python(body)
    assert fast.builders.equals(slow.builders)
    assert (fast.extra.to_pylist(), fast.next_token, fast.rest) == ([None, None], "next", {})
    assert (slow.extra.to_pylist(), slow.next_token, slow.rest) == ([None, None], "next", {})


def test_what_is_expected_is_read_by_arrow_and_not_by_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_read_by_python", lambda body: pytest.fail("the slow way was taken"))
    assert len(pages.read_page(page(FULL))) == 1
    assert len(pages.read_page(page())) == 0
    assert len(pages.read_page(b'{\n "ImageBuilders": [\n ]\n}\n')) == 0
    assert pages.read_page(page(NextToken=None)).next_token is None
    assert pages.read_page(page(NextToken="")).next_token is None


def test_members_outside_the_contract_are_kept_at_any_depth() -> None:
    odd = FULL | {
        "Hibernation": {"Mode": 1.0},
        "VpcConfig": {"SubnetIds": ["subnet-1"], "OutpostArn": None},
        "ImageBuilderErrors": [{"ErrorCode": "E"}, {"Severity": [1, "high"]}],
        "AgentAccessConfig": {"Settings": [{"Scope": "all"}]},
    }
    read = pages.read_page(page(odd, FULL, TotalCount=2))
    assert json.loads(read.extra[0].as_py()) == {
        "Hibernation": {"Mode": 1.0},
        "VpcConfig": {"OutpostArn": None},
        "ImageBuilderErrors": {"1": {"Severity": [1, "high"]}},
        "AgentAccessConfig": {"Settings": {"0": {"Scope": "all"}}},
    }
    assert read.extra[1].as_py() is None
    assert read.rest == {"TotalCount": 2}
    assert read.builders[0].as_py()["ImageBuilderErrors"][1]["ErrorCode"] is None


def test_members_outside_the_contract_leave_the_others_to_arrow(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = page(FULL | {"Hibernation": {"Mode": "ON"}}, FULL, TotalCount=2)
    monkeypatch.setattr(pages, "_read_by_python", lambda body: pytest.fail("the slow way was taken"))
    (one,) = pages.read_pages([odd])
    assert (one.extra.to_pylist(), one.rest) == (['{"Hibernation": {"Mode": "ON"}}', None], {"TotalCount": 2})
    several = list(pages.read_pages([page(FULL, NextToken="next"), odd]))
    assert [(p.extra.to_pylist(), p.next_token) for p in several] == [([None], "next"), (one.extra.to_pylist(), None)]
    assert several[1].builders.equals(one.builders)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
_OBJECTS = ((), ("VpcConfig",), ("RootVolumeConfig",), ("ImageBuilderErrors", 0), ("AgentAccessConfig", "Settings", 0))


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from(_OBJECTS), st.text(max_size=9), _VALUES), max_size=4),
    st.dictionaries(st.text(max_size=9), _VALUES, max_size=1),
)
@examples(100, 20_000)
def test_members_outside_the_contract_are_the_same_by_either_way(
    odd: list[tuple[int, tuple[Any, ...], str, Any]], beside: dict[str, Any]
) -> None:
    builders = [copy.deepcopy(FULL) for _ in range(3)]
    for number, path, name, value in odd:
        place: Any = builders[number]
        for step in path:
            place = place[step]
        place[name] = value
    body = page(*builders, **beside)
    told = pages._read_with_extra([body])
    assert told is not None
    fast, slow = told[0], pages._read_by_python(body)
    assert fast.builders.equals(slow.builders)
    assert fast.extra.to_pylist() == slow.extra.to_pylist()
    assert (fast.next_token, fast.rest) == (slow.next_token, slow.rest)


@pytest.mark.parametrize("odd", ["1e999", "[" * 60 + "]" * 60])
def test_what_is_deep_or_larger_than_any_number_is_read_with_more_care(odd: str) -> None:
    body = page(builder("b", New="odd")).replace(b'"odd"', odd.encode())
    assert pages._read_with_extra([body]) is None
    kept = json.loads(pages.read_page(body).extra[0].as_py())
    assert kept == {"New": odd if odd == "1e999" else json.loads(odd)}


def test_a_member_of_two_types_in_one_page_is_kept_in_both() -> None:
    read = pages.read_page(page(builder("a", New=1), builder("b", New="one"), builder("c", New={"deep": [None]})))
    assert read.extra.to_pylist() == ['{"New": 1}', '{"New": "one"}', '{"New": {"deep": [null]}}']


@pytest.mark.parametrize(
    ("members", "extra"),
    [
        ({"RootVolumeConfig": {"VolumeSizeInGb": "200"}}, {"RootVolumeConfig": {"VolumeSizeInGb": "200"}}),
        ({"RootVolumeConfig": {"VolumeSizeInGb": 1.5}}, {"RootVolumeConfig": {"VolumeSizeInGb": 1.5}}),
        ({"RootVolumeConfig": {"VolumeSizeInGb": 2**63}}, {"RootVolumeConfig": {"VolumeSizeInGb": 2**63}}),
        ({"RootVolumeConfig": {"VolumeSizeInGb": False}}, {"RootVolumeConfig": {"VolumeSizeInGb": False}}),
        ({"RootVolumeConfig": []}, {"RootVolumeConfig": []}),
        ({"Description": 7}, {"Description": 7}),
        ({"Description": "\ud83d"}, {"Description": "\ud83d"}),
        ({"DisableIMDSV1": "true"}, {"DisableIMDSV1": "true"}),
        ({"DisableIMDSV1": 0}, {"DisableIMDSV1": 0}),
        ({"Arn": ["a"]}, {"Arn": ["a"]}),
        ({"CreatedTime": "yesterday"}, {"CreatedTime": "yesterday"}),
        ({"CreatedTime": 1e300}, {"CreatedTime": 1e300}),
        ({"VpcConfig": {"SubnetIds": "s"}}, {"VpcConfig": {"SubnetIds": "s"}}),
        ({"VpcConfig": {"SubnetIds": ["s", 1]}}, {"VpcConfig": {"SubnetIds": {"1": 1}}}),
        (
            {"ImageBuilderErrors": [{"ErrorCode": "E", "ErrorTimestamp": True}, "E"]},
            {"ImageBuilderErrors": {"0": {"ErrorTimestamp": True}, "1": "E"}},
        ),
    ],
)
def test_a_value_that_does_not_fit_costs_that_value(members: dict[str, Any], extra: dict[str, Any]) -> None:
    given = {"Name": "b", "State": "RUNNING"} | members
    read = pages.read_page(page(FULL, given, builder("c")))
    assert [b["Name"] for b in read.builders.to_pylist()] == ["full", "b", "c"]
    assert [text and json.loads(text) for text in read.extra.to_pylist()] == [None, extra, None]
    known = read.builders[1].as_py()
    assert known["State"] == "RUNNING"
    assert not any(
        known[name] for name in members if name not in ("VpcConfig", "RootVolumeConfig", "ImageBuilderErrors")
    )
    if "ImageBuilderErrors" in members:
        assert known["ImageBuilderErrors"] == [{"ErrorCode": "E", "ErrorMessage": None, "ErrorTimestamp": None}, None]
    if "VpcConfig" in members:
        assert known["VpcConfig"]["SubnetIds"] in (None, ["s", None])
    if "RootVolumeConfig" in members:
        assert known["RootVolumeConfig"] in (None, {"VolumeSizeInGb": None})


def test_a_whole_number_may_be_written_with_a_point() -> None:
    read = pages.read_page(page(builder("b", RootVolumeConfig={"VolumeSizeInGb": 200.0})))
    assert read.builders[0].as_py()["RootVolumeConfig"] == {"VolumeSizeInGb": 200}
    assert read.extra[0].as_py() is None


def test_a_moment_may_be_written_out_as_botocore_allows() -> None:
    read = pages.read_page(page(builder("b", CreatedTime="2026-11-23T12:00:00.5Z"), builder("c", CreatedTime=None)))
    assert [b["CreatedTime"] for b in read.builders.to_pylist()] == [1795435200.5, None]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "its body is empty"),
        (b" \r\n", "its body is empty"),
        (b"<html><p>Sign in", "it is not JSON"),
        (b"\xef\xbb\xbf" + page(), "it is not JSON"),
        (page(FULL)[:-9], "it is not JSON"),
        (page(FULL) + page(FULL), "it is not JSON"),
        (page() + b"null", "it is not JSON"),
        (b"null", "it is null, where an object belongs"),
        (b"  null", "it is null, where an object belongs"),
        (b"[]", "it is [], where an object belongs"),
        (b"{}", "it has no ImageBuilders"),
        (b'{"ImageBuilders": null}', "ImageBuilders is null, where a list belongs"),
        (b'{"ImageBuilders": {}}', "ImageBuilders is {}, where a list belongs"),
        (b'{"ImageBuilders": [null]}', "Name of image builder 0 of the page is null"),
        (b'{"ImageBuilders": ["b"]}', "image builder 0 of the page is 'b', where an object belongs"),
        (b'{"ImageBuilders": [{"Name": 7}]}', "Name of image builder 0 of the page is 7, where a string belongs"),
        (b'{"ImageBuilders": [{"Name": "b"}], "ImageBuilders": []}', "it names ImageBuilders more than once"),
        (b'{"ImageBuilders": [{"Name": "b"}], "Image\\u0042uilders": []}', "it names ImageBuilders more than once"),
        (b'{"ImageBuilders": [], "NextToken": "a", "NextToken": null}', "it names NextToken more than once"),
        (b'{"ImageBuilders": [], "NextToken": "\\ud83d"}', "not valid Unicode"),
        (b'{"ImageBuilders": [], "NextToken": 7}', "NextToken is 7, where a string belongs"),
        (b'{"__type": "InternalFailure", "message": "no"}', "it is an error object"),
        (b'{"__type": "InternalFailure", "ImageBuilders": []}', "it is an error object"),
        (b'{"ImageBuilders": [{"Name": "\xff"}]}', "it is not UTF-8"),
        (b'{"ImageBuilders": [{"Name": "\\ud83d"}]}', "not valid Unicode"),
        (b'{"ImageBuilders": [{"Name": "b", "CreatedTime": NaN}]}', "NaN is not JSON"),
        (b'{"ImageBuilders": [{"Name": "b", "CreatedTime": Infinity}]}', "Infinity is not JSON"),
        (b'{"ImageBuilders": [{"Name": "b", "CreatedTime": -Infinity}]}', "-Infinity is not JSON"),
        (b'{"ImageBuilders": [{"Name": "b", "CreatedTime": 0}, {"Name": "c", "CreatedTime": NaN}]}', "NaN is not JSON"),
        (
            b'{"ImageBuilders": [{"Name": "b", '
            b'"ImageBuilderErrors": [{"ErrorTimestamp": 0}, {"ErrorTimestamp": NaN}]}]}',
            "NaN is not JSON",
        ),
        (b'{"ImageBuilders": [{"Name": "b", "New": ' + b"[" * 100_000, "it nests too deeply"),
    ],
)
def test_what_is_not_one_whole_page_is_refused(body: bytes, said: str) -> None:
    with pytest.raises(MalformedReplyError) as told:
        pages.read_page(body)
    assert said in str(told.value)
    assert len(str(told.value)) < 400
