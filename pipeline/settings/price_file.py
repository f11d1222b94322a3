"""The user's own prices: a CSV file, validated line by line."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

from pipeline.errors import ConfigurationError
from pipeline.settings.files import NO_FILE, SettingsFile
from pipeline.settings.operating_systems import ANY, operating_system

VOLUME = "root-volume"
"""Stands in place of an instance type where the price is that of a GB of root volume."""

UNITS = {"hour": "hour", "hrs": "hour", "hours": "hour", "gb-month": "gb-month", "gb-mo": "gb-month"}
"""The units of prices, by the words that price lists and users have for them, in lower case."""

_COLUMNS = ("instance_type", "usd", "region", "operating_system", "unit")


@dataclass(frozen=True)
class FilePrice:
    """A price of the user's own file. `*` stands for any region, instance type or operating system."""

    region: str
    instance_type: str
    operating_system: str
    unit: str
    usd: float


def read_prices(file: SettingsFile = NO_FILE) -> tuple[FilePrice, ...]:
    """The prices of the file; none where there is no file. Raises ConfigurationError with the line and the fix."""
    text = file.text()
    if text is None:
        return ()
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    try:
        return _read(file, reader)
    except csv.Error as error:
        line = reader.line_num + 1
        raise ConfigurationError(
            f"{file.name}: line {line}: this is no CSV ({error}): is a quote not closed?"
        ) from None


def _read(file: SettingsFile, reader: csv.DictReader[str]) -> tuple[FilePrice, ...]:
    reader.fieldnames = header = [name.strip() for name in reader.fieldnames or ()]
    _require_columns(file.name, header)
    found: dict[tuple[str, str, str], FilePrice] = {}
    for row in reader:
        price = _file_price(f"{file.name}: line {reader.line_num}", row)
        key = (price.region, price.instance_type, price.operating_system)
        if key in found:
            raise ConfigurationError(
                f"{file.name}: line {reader.line_num}: {', '.join(key)} has a price already; leave one of them out."
            )
        found[key] = price
    return tuple(found.values())


def _require_columns(path: str, header: list[str]) -> None:
    if missing := {"instance_type", "usd"} - set(header):
        raise ConfigurationError(
            f"{path}: the column {min(missing)} is missing; the columns are {', '.join(_COLUMNS)}."
        )
    if unknown := [name for name in header if name not in _COLUMNS]:
        raise ConfigurationError(f"{path}: there is no column {unknown[0]}; the columns are {', '.join(_COLUMNS)}.")
    if twice := [name for name in header if header.count(name) > 1]:
        raise ConfigurationError(f"{path}: the column {twice[0]} comes twice; leave one of them out.")


def _file_price(where: str, row: dict[str | None, Any]) -> FilePrice:
    if None in row or None in row.values():
        raise ConfigurationError(f"{where}: it has another number of fields than the header; are commas in quotes?")
    given = {str(name): str(value).strip() for name, value in row.items()}
    try:
        usd = -1.0 if "_" in given["usd"] else float(given["usd"])  # Python alone reads 1_0 as a number.
    except ValueError:
        usd = -1.0
    if not 0 <= usd < float("inf"):
        raise ConfigurationError(
            f"{where}: '{given['usd']}' is no price: give US dollars for a unit, 0.35 for instance."
        )
    if not given["instance_type"]:
        raise ConfigurationError(f"{where}: instance_type is empty: give one, {VOLUME}, or {ANY} for any.")
    unit = UNITS.get((given.get("unit") or ("gb-month" if given["instance_type"] == VOLUME else "hour")).lower())
    if unit is None or (unit == "gb-month") != (given["instance_type"] == VOLUME):
        raise ConfigurationError(
            f"{where}: the unit '{given.get('unit')}' does not fit: an instance type is priced by the hour, "
            f"{VOLUME} by the gb-month."
        )
    system = given.get("operating_system") or ANY
    if given["instance_type"] == VOLUME and system != ANY:
        raise ConfigurationError(
            f"{where}: a {VOLUME} has one price for all operating systems: leave operating_system empty."
        )
    return FilePrice(
        given.get("region") or ANY,
        given["instance_type"],
        ANY if system == ANY else operating_system(system),
        unit,
        usd,
    )
