"""What Dagster's catalog and graph show of every asset: its name, its owners and tags, where its source is."""

from __future__ import annotations

import re
import warnings
from functools import cache
from pathlib import Path

import dagster as dg

from pipeline import contract, sql_folder, views
from pipeline.contract import PRICES, TABLES
from pipeline.settings import Environment

_BEFORE = re.compile(r"image_builders?_(?=.)")


def key_of(name: str) -> dg.AssetKey:
    """The asset of a table or view. What nearly all names begin with is left out: the graph would show nothing else."""
    return dg.AssetKey(_BEFORE.sub("", name))


def name_of(key: dg.AssetKey) -> str:
    """The table or view of an asset; of one that is neither, its own name."""
    return _names().get(key, key.path[-1])


@cache
def _names() -> dict[dg.AssetKey, str]:
    listed = [*(table.name for table in (*TABLES, PRICES)), *(view.name for view in views.all_views())]
    return {key_of(name): name for name in listed}


def source_of(group: str, name: str) -> dict[str, dg.CodeReferencesMetadataValue]:
    """Metadata that opens the file that a view is written in; for one that is generated, the module that does."""
    path = Path(str(sql_folder() / group / f"{name}.sql"))
    if not path.exists():
        return module_of(views.generated.__file__)
    return {"dagster/code_references": _reference(path, 1, f"sql/{group}/{name}.sql")}


def table_source(name: str) -> dict[str, dg.CodeReferencesMetadataValue]:
    """Metadata that opens the contract at a table's declaration."""
    path = Path(contract.__file__)
    lines = path.read_text(encoding="utf-8").splitlines()
    line = next((n for n, text in enumerate(lines, start=1) if f'"{name}"' in text), 1)
    return {"dagster/code_references": _reference(path, line, "pipeline/contract.py")}


def module_of(file: str) -> dict[str, dg.CodeReferencesMetadataValue]:
    """Metadata that opens a module."""
    return {
        "dagster/code_references": _reference(Path(file), 1, f"pipeline/{Path(file).parent.name}/{Path(file).name}")
    }


def _reference(path: Path, line: int, label: str) -> dg.CodeReferencesMetadataValue:
    with warnings.catch_warnings():
        # Dagster (1.13) calls references to files beta.
        warnings.simplefilter("ignore", dg.BetaWarning)
        reference = dg.LocalFileCodeReference(file_path=str(path.absolute()), line_number=line, label=label)
        return dg.CodeReferencesMetadataValue(code_references=[reference])


def owned(spec: dg.AssetSpec, environment: Environment) -> dg.AssetSpec:
    """The asset with the owners and tags of the settings."""
    return spec.merge_attributes(owners=list(environment.asset_owners), tags=dict(environment.asset_tags))
