"""What the installed botocore's service model says of an image builder; the contract and the data are compared with it.

No other module reads the model, and none of these functions makes a call. The file is read as it lies in the package:
to load botocore takes longer than all else that a question of the warehouse needs.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any


@cache
def members() -> dict[str, str]:
    """The type of every scalar member of an image builder, by its path as `Column.source` writes it."""
    return {path: shape["type"] for path, shape in _image_builder()}


@cache
def enums() -> dict[str, tuple[str, ...]]:
    """The values that the model knows of every enum of an image builder, by path. AWS may add others any day."""
    return {path: tuple(shape["enum"]) for path, shape in _image_builder() if shape.get("enum")}


@cache
def _image_builder() -> tuple[tuple[str, dict[str, Any]], ...]:
    shapes = _model()["shapes"]

    def scalars(shape: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
        if shape["type"] == "structure":
            prefix = f"{path}." if path else ""
            for name, member in shape["members"].items():
                yield from scalars(shapes[member["shape"]], prefix + name)
        elif shape["type"] == "list":
            yield from scalars(shapes[shape["member"]["shape"]], f"{path}[]")
        else:
            yield path, shape

    return tuple(scalars(shapes["ImageBuilder"], ""))


def _model() -> Any:
    """It keeps a folder a service and, in it, one a version of the API, named by its day; the newest counts."""
    package = find_spec("botocore")
    assert package
    assert package.origin
    newest = max(Path(package.origin).parent.glob("data/appstream/*/service-2.json*"))
    content = newest.read_bytes()
    return json.loads(gzip.decompress(content) if newest.suffix == ".gz" else content)
