"""Prices and cost: the price list over real HTTP, a price file of one's own, and days that are priced by them."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import views
from pipeline.aws import sessions
from pipeline.errors import ConfigurationError, PricesError
from pipeline.extract.price_list import fetch_prices
from pipeline.sandbox.faults import Fault
from pipeline.sandbox.price_list import price_list, priced, product
from pipeline.settings.operating_systems import operating_system
from pipeline.settings.price_file import FilePrice, read_prices
from pipeline.warehouse import Warehouse, keep_prices
from tests.support import NOON, StartSandbox, builder, replay, settings_of
from tests.support.command import image_builders
from tests.support.replay import Look

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MEDIUM = "stream.standard.medium"


def told(home: Warehouse, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in views.query(home, sql, views.Settings.read(settings_of())).to_pylist()]


@pytest.fixture
def home(tmp_path: Path) -> Warehouse:
    return Warehouse(str(tmp_path / "warehouse"), grace=0.0)


def made(name: str, **members: Any) -> dict[str, Any]:
    first: dict[str, Any] = {
        "CreatedTime": (NOON - 9 * DAY).timestamp(),
        "InstanceType": MEDIUM,
        "Platform": "WINDOWS_SERVER_2022",
    }
    return builder(name, **(first | members))


def test_the_price_list_is_kept_as_a_snapshot(start_sandbox: StartSandbox, home: Warehouse) -> None:
    sandbox = start_sandbox()
    listed = fetch_prices(sessions.new_session(), NOON).rows
    assert sandbox.actions.count("pricing:GetProducts") > 2, "it pages"
    rows = listed.to_pylist()
    assert {row["instance_type"] for row in rows} >= {MEDIUM, "root-volume"}
    assert not [row for row in rows if row["sku"].startswith("FLEET")]
    (medium,) = [
        row
        for row in rows
        if (row["region"], row["instance_type"], row["operating_system"]) == ("us-east-1", MEDIUM, "Windows")
    ]
    assert (medium["usd"], medium["unit"], medium["observed_at"]) == (0.1, "hour", NOON)
    replay.replay(home, NOON, {"us-east-1": Look([])})
    path = keep_prices(home, listed)
    assert path.startswith("instance_prices/snapshot_date=2026-11-23/20261123T120000000000-")
    assert told(home, "select count(*) from prices where source = 'aws'") == [(len(rows),)]


@pytest.mark.parametrize("kind", ["deny", "throttle", "html"])
def test_a_price_list_that_is_not_told_is_one_sentence(kind: str, start_sandbox: StartSandbox) -> None:
    start_sandbox(faults=[Fault(kind, service="pricing")])
    with pytest.raises(PricesError, match=r"AWS does not tell its prices .*prices.csv"):
        fetch_prices(sessions.new_session(), NOON)


def test_a_price_list_without_image_builders_is_no_price_list(start_sandbox: StartSandbox) -> None:
    start_sandbox().services.products[:] = [product("us-east-1", MEDIUM, "Windows", "Fleet", 1.0)]
    with pytest.raises(PricesError, match="has no price of an image builder"):
        fetch_prices(sessions.new_session(), NOON)


def test_whatever_the_list_leaves_out_each_of_its_image_builders_is_placed(start_sandbox: StartSandbox) -> None:
    start_sandbox()
    listed = fetch_prices(sessions.new_session(), NOON)
    assert listed.unplaced == ()
    found = {(r["region"], r["instance_type"], r["operating_system"]): r["usd"] for r in listed.rows.to_pylist()}
    assert len(found) == listed.rows.num_rows == 5 * (5 * 4 + 1)
    regions = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-northeast-1")
    for place, region in enumerate(regions):
        for system, share in (("Windows", 1.0), ("BYOL", 0.7), ("Amazon Linux", 0.6), ("RHEL", 0.9)):
            usd = round(2.1 * share * (1 + place / 20), 4)
            assert found[region, "stream.accelerated.g6e.xlarge", system] == usd, (region, system)
    families = {p["product"]["productFamily"] for p in price_list()}
    assert families == {"Streaming Instance", "Stopped Instance", "Image Fees", "User Fees", "Storage"}


@pytest.mark.parametrize(
    ("attributes", "family", "unit", "why"),
    [
        ({"regionCode": "", "location": "The Moon"}, None, "hour", "no region is called 'The Moon'"),
        ({"instanceType": "", "usagetype": "odd-ib"}, None, "hour", "it names no instance type"),
        ({}, "Image Fees", "hour", "the family 'Image Fees' is neither Streaming Instance nor Storage"),
        ({}, None, "Quantity", "it has no on-demand price in US dollars by the hour"),
        ({"instanceFunction": "", "usagetype": "APS2-stream.x.large-ib"}, "Strange", "hour", "the family 'Strange'"),
    ],
)
def test_what_could_not_be_placed_is_told(
    attributes: dict[str, str], family: str | None, unit: str, why: str, start_sandbox: StartSandbox
) -> None:
    told_of = {"instanceType": MEDIUM, "instanceFunction": "ImageBuilder", "regionCode": "us-east-1"}
    odd = priced("odd", family or "Streaming Instance", told_of | attributes, unit, 1.0)
    start_sandbox().services.products[:] = [product("us-east-1", MEDIUM, "Windows", "ImageBuilder", 0.5), odd]
    listed = fetch_prices(sessions.new_session(), NOON)
    assert listed.rows.num_rows == 1
    ((sku, reason),) = [(unplaced.sku, unplaced.why) for unplaced in listed.unplaced]
    assert sku == "ODD"
    assert why in reason


@pytest.mark.slow
def test_the_command_says_what_it_left_out_and_which_builders_no_price_fits(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    sandbox.services.products.append(priced("odd", "Image Fees", {"instanceFunction": "ImageBuilder"}, "hour", 1.0))
    assert image_builders("prices").stdout.splitlines()[1:] == [
        "",
        "A product of image builders in the list could not be placed:",
        "  ODD : the family 'Image Fees' is neither Streaming Instance nor Storage",
    ]
    image_builders("snapshot", "--region", "us-east-1")
    said = image_builders("prices").stdout
    assert "No price fits these image builders; prices.csv takes prices of your own:" in said
    assert "stream.graphics" in said
    write("instance_type,usd\n*,1\n")
    assert image_builders("prices").stdout.endswith("Every image builder that is there has a price.\n")


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("Windows", "Windows"),
        ("WINDOWS_SERVER_2022", "Windows"),
        ("WINDOWS_11", "BYOL"),
        ("Windows 10", "BYOL"),
        ("Windows BYOL", "BYOL"),
        ("Bring Your Own License", "BYOL"),
        ("Amazon Linux", "Amazon Linux"),
        ("AMAZON_LINUX2", "Amazon Linux"),
        ("Red Hat Enterprise Linux", "RHEL"),
        ("RHEL8", "RHEL"),
        ("ROCKY_LINUX8", "Rocky Linux"),
        ("UBUNTU_PRO_2404", "Ubuntu Pro"),
        ("Plan 9", "Plan 9"),
    ],
)
def test_operating_systems_have_one_name(word: str, name: str) -> None:
    assert operating_system(word) == name


def week(home: Warehouse, *builders: dict[str, Any]) -> None:
    """Three looks at noon; on the fourth day all have stopped."""
    for number in range(3):
        replay.replay(home, NOON + number * DAY, {"us-east-1": Look(list(builders))})
    replay.replay(home, NOON + 3 * DAY, {"us-east-1": Look([b | {"State": "STOPPED"} for b in builders])})


def test_days_are_priced_between_the_least_and_the_most(start_sandbox: StartSandbox, home: Warehouse) -> None:
    start_sandbox()
    week(home, made("a"))
    keep_prices(home, fetch_prices(sessions.new_session(), NOON).rows)
    columns = (
        "cast(cost_date as varchar), hours_low, hours_estimate, hours_high, usd_per_hour, usd_low, usd_estimate, "
        "usd_high, price_source"
    )
    assert told(home, f"select {columns} from running_cost order by cost_date") == [
        # Only time since the first look counts.
        # A session of Windows that one look alone saw is billed for an hour.
        ("2026-11-23", 0.0, 12.0, 12.0, 0.1, 0.1, *[pytest.approx(1.2)] * 2, "aws"),
        ("2026-11-24", 0.0, 24.0, 24.0, 0.1, 0.1, *[pytest.approx(2.4)] * 2, "aws"),
        ("2026-11-25", 0.0, 24.0, 24.0, 0.1, 0.1, *[pytest.approx(2.4)] * 2, "aws"),
        ("2026-11-26", 0.0, 0.0, 12.0, 0.1, 0.0, 0.0, pytest.approx(1.2), "aws"),
    ]


def test_what_has_no_known_price_is_unpriced_and_not_free(start_sandbox: StartSandbox, home: Warehouse) -> None:
    start_sandbox()
    week(home, made("a", InstanceType="stream.graphics.g6.xlarge"))
    for _ in range(2):
        assert told(home, "select distinct is_priced, usd_low, usd_high, price_source from running_cost") == [
            (False, None, None, None)
        ]
        keep_prices(home, fetch_prices(sessions.new_session(), NOON).rows)  # Which has none of it, either.


@pytest.mark.parametrize(
    ("platform", "system", "usd"),
    [
        ("WINDOWS_SERVER_2025", "Windows", 0.1),
        ("WINDOWS", "Windows", 0.1),
        ("WINDOWS_10", "BYOL", 0.07),
        ("WINDOWS_11", "BYOL", 0.07),
        ("AMAZON_LINUX2", "Amazon Linux", 0.06),
        ("RHEL8", "RHEL", 0.09),
        ("ROCKY_LINUX8", "Rocky Linux", None),
        (None, None, None),
    ],
)
def test_the_operating_system_decides(
    platform: str | None, system: str | None, usd: float | None, start_sandbox: StartSandbox, home: Warehouse
) -> None:
    start_sandbox()
    week(home, made("a", Platform=platform))
    keep_prices(home, fetch_prices(sessions.new_session(), NOON).rows)
    assert told(home, "select distinct operating_system, usd_per_hour from running_cost") == [(system, usd)]


def test_root_volumes_above_200_gb_are_priced_apart(start_sandbox: StartSandbox, home: Warehouse) -> None:
    start_sandbox()
    week(home, made("a", RootVolumeConfig={"VolumeSizeInGb": 200}), made("b", RootVolumeConfig={"VolumeSizeInGb": 346}))
    keep_prices(home, fetch_prices(sessions.new_session(), NOON).rows)
    sql = (
        "select name, usd_per_gb_month, sum(volumes.usd_low), sum(instances.usd_estimate) "
        "from running_cost as instances left join volume_cost as volumes using (name, cost_date) "
        "group by all order by name"
    )
    assert told(home, sql) == [
        ("a", None, None, pytest.approx(6.0)),
        ("b", 0.1, pytest.approx(146 * 0.1 / 730 * 72), pytest.approx(6.0)),
    ]


def test_each_day_has_the_price_that_held_then(start_sandbox: StartSandbox, home: Warehouse) -> None:
    sandbox = start_sandbox()
    week(home, made("a"))
    keep_prices(home, fetch_prices(sessions.new_session(), NOON).rows)
    sandbox.services.products[:] = [product("us-east-1", MEDIUM, "Windows", "ImageBuilder", 0.5)]
    keep_prices(home, fetch_prices(sessions.new_session(), NOON + 2 * DAY).rows)
    assert told(home, "select day(cost_date), usd_per_hour from running_cost order by 1") == [
        (23, 0.1),
        (24, 0.1),
        (25, 0.5),
        (26, 0.5),
    ]


def write(text: str) -> None:
    Path("prices.csv").write_text(text)


def test_a_file_of_ones_own_wins_and_what_names_more_over_what_names_less(
    start_sandbox: StartSandbox, home: Warehouse
) -> None:
    start_sandbox()
    big = {"RootVolumeConfig": {"VolumeSizeInGb": 300}}
    week(home, made("a", **big), made("b", Platform="RHEL8", **big), made("c", InstanceType="stream.x", **big))
    keep_prices(home, fetch_prices(sessions.new_session(), NOON).rows)
    write(
        "instance_type,region,operating_system,usd,unit\n"
        f"{MEDIUM},,,0.03,\n"
        f"{MEDIUM},us-east-1,WINDOWS_SERVER_2022,0.02,hour\n"
        "*,*,*,9,\n"
        "root-volume,,,0.5,gb-month\n"
    )
    sql = (
        "select distinct name, usd_per_hour, instances.price_source, usd_per_gb_month from running_cost as instances "
        "join volume_cost using (name, cost_date) order by name"
    )
    assert told(home, sql) == [("a", 0.02, "file", 0.5), ("b", 0.03, "file", 0.5), ("c", 9.0, "file", 0.5)]


def test_a_price_of_nothing_is_a_price(home: Warehouse) -> None:
    week(home, made("a"))
    write("instance_type,usd\n*,0\n")
    assert told(home, "select distinct is_priced, usd_high from running_cost") == [(True, 0.0)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("instance_type\nx\n", "prices.csv: the column usd is missing; the columns are instance_type, usd, region"),
        ("", "the column instance_type is missing"),
        ("instance_type,usd,price\nx,1,2\n", "prices.csv: there is no column price"),
        ("instance_type,usd\nx,cheap\n", "prices.csv: line 2: 'cheap' is no price"),
        ("instance_type,usd\nx,nan\n", "'nan' is no price"),
        ("instance_type,usd\nx,-1\n", "'-1' is no price"),
        ("instance_type,usd\n,1\n", "line 2: instance_type is empty"),
        ("instance_type,usd\nx,1,2\n", "line 2: it has another number of fields than the header"),
        ("instance_type,usd\nx,1\ny,1\nx,2\n", "line 4: *, x, * has a price already"),
        ("instance_type,usd\nx,1_0\n", "'1_0' is no price"),
        ("instance_type,usd,usd\nx,1,2\n", "prices.csv: the column usd comes twice"),
        ("instance_type,usd,operating_system\nroot-volume,1,RHEL\n", "line 2: a root-volume has one price for all"),
        ("instance_type,usd,unit\nx,1,gb-month\n", "line 2: the unit 'gb-month' does not fit"),
        ("instance_type,usd,unit\nroot-volume,1,hour\n", "the unit 'hour' does not fit"),
    ],
)
def test_every_mistake_in_the_file_is_one_sentence_with_its_line(text: str, said: str) -> None:
    write(text)
    with pytest.raises(ConfigurationError) as error:
        read_prices(settings_of().file("prices"))
    assert said in str(error.value)


def test_spreadsheets_write_it_too() -> None:
    Path("prices.csv").write_text("\ufeffinstance_type, usd , region\r\nstream.x, 0.5, eu-west-1\r\n")
    assert read_prices(settings_of().file("prices")) == (FilePrice("eu-west-1", "stream.x", "*", "hour", 0.5),)


def test_a_file_that_is_named_must_be_there() -> None:
    with pytest.raises(ConfigurationError, match=r"IMAGE_BUILDERS_PRICES names nowhere.csv, which does not exist"):
        read_prices(settings_of({"IMAGE_BUILDERS_PRICES": "nowhere.csv"}).file("prices"))
    assert read_prices(settings_of().file("prices")) == ()


def test_a_product_whose_licence_is_brought_is_byol_whatever_its_system(start_sandbox: StartSandbox) -> None:
    attributes = {
        "instanceType": MEDIUM,
        "instanceFunction": "ImageBuilder",
        "operatingSystem": "Windows",
        "osLicenseModel": "Bring Your Own License",
        "regionCode": "us-east-1",
    }
    start_sandbox().services.products[:] = [priced("x", "Streaming Instance", attributes, "hour", 1.0)]
    (row,) = fetch_prices(sessions.new_session(), NOON).rows.to_pylist()
    assert row["operating_system"] == "BYOL"


def test_no_hour_is_claimed_by_two_kinds_of_instance(home: Warehouse) -> None:
    small, large = made("a"), made("a", InstanceType="stream.standard.large")
    for hour, one in ((0, small), (6, large), (12, small), (20, large)):
        replay.replay(home, NOON + DAY / 2 + hour * HOUR, {"us-east-1": Look([one])}, "hourly")
    rows = told(home, "select instance_type, hours_low, hours_high from running_cost order by 1")
    assert rows[0][0] == "stream.standard.large"
    assert sum(high for _, _, high in rows) == 20.0


def test_a_price_for_any_is_one_for_what_aws_does_not_tell(home: Warehouse) -> None:
    week(home, made("a", Platform=None, InstanceType=None, RootVolumeConfig=None))
    write("instance_type,usd\n*,2\n")
    assert told(home, "select distinct is_priced, usd_per_hour from running_cost") == [(True, 2.0)]


def test_a_volume_that_is_told_later_is_no_other_kind(home: Warehouse) -> None:
    replay.replay(home, NOON, {"us-east-1": Look([made("a")])})
    replay.replay(
        home, NOON + HOUR, {"us-east-1": Look([made("a", RootVolumeConfig={"VolumeSizeInGb": 200})])}, "hourly"
    )
    assert told(home, "select hours_low, hours_high, billed_hours_low, billed_hours_high from running_cost") == [
        (1.0, 1.0, 1.0, 1.0)
    ]
    assert told(home, "from volume_cost") == []


def test_a_rise_holds_from_the_day_that_aws_tells_though_it_was_read_later(
    start_sandbox: StartSandbox, home: Warehouse
) -> None:
    sandbox = start_sandbox()
    week(home, made("a"))
    keep_prices(home, fetch_prices(sessions.new_session(), NOON).rows)
    risen = product("us-east-1", MEDIUM, "Windows", "ImageBuilder", 0.5)
    (term,) = risen["terms"]["OnDemand"].values()
    term["effectiveDate"] = "2026-11-24T00:00:00Z"
    sandbox.services.products[:] = [risen]
    keep_prices(home, fetch_prices(sessions.new_session(), NOON + 2 * DAY).rows)
    assert told(home, "select day(cost_date), usd_per_hour from running_cost order by 1") == [
        (23, 0.1),
        (24, 0.5),
        (25, 0.5),
        (26, 0.5),
    ]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"instanceType": "Accelerated.g6e.xlarge"}, ("us-east-1", "stream.accelerated.g6e.xlarge")),
        ({"regionCode": "", "location": "EU (Frankfurt)"}, ("eu-central-1", MEDIUM)),
        ({"regionCode": "", "location": "Asia Pacific (Sydney)"}, ("ap-southeast-2", MEDIUM)),
    ],
)
def test_the_list_names_types_and_places_in_words_of_its_own(
    attributes: dict[str, str], expected: tuple[str, str], start_sandbox: StartSandbox
) -> None:
    told_of = {"instanceType": MEDIUM, "instanceFunction": "ImageBuilder", "operatingSystem": "Windows"}
    product = priced("x", "Streaming Instance", told_of | {"regionCode": "us-east-1"} | attributes, "hour", 1.0)
    start_sandbox().services.products[:] = [product]
    (row,) = fetch_prices(sessions.new_session(), NOON).rows.to_pylist()
    assert (row["region"], row["instance_type"]) == expected


def test_what_names_two_columns_wins_over_what_names_one(home: Warehouse) -> None:
    week(home, made("a"))
    write(f"instance_type,region,operating_system,usd\n{MEDIUM},,,0.1\n*,us-east-1,Windows,0.2\n")
    assert told(home, "select distinct usd_per_hour from running_cost") == [(0.2,)]
