"""What the installed botocore's service model says of an image builder, to hold the contract and the data against.

The only module that reads the model; it makes no calls.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel


@cache
def members() -> dict[str, str]:
    """The type of every scalar below an image builder, by its path as `Column.source` writes it."""
    return {path: shape.type_name for path, shape in _scalars(_image_builder(), "")}


@cache
def enums() -> dict[str, tuple[str, ...]]:
    """The values the model knows of every enum below an image builder, by path. Others may come any day."""
    return {path: tuple(shape.enum) for path, shape in _scalars(_image_builder(), "") if getattr(shape, "enum", None)}


@cache
def service() -> Any:
    """Botocore's model of AppStream, read without a session: no profile and no setting comes between."""
    return ServiceModel(Loader().load_service_model("appstream", "service-2"), "appstream")


def _image_builder() -> Any:
    return service().shape_for("ImageBuilder")


def _scalars(shape: Any, path: str) -> list[tuple[str, Any]]:
    if shape.type_name == "structure":
        prefix = f"{path}." if path else ""
        return [found for name, member in shape.members.items() for found in _scalars(member, prefix + name)]
    if shape.type_name == "list":
        return _scalars(shape.member, f"{path}[]")
    return [(path, shape)]
