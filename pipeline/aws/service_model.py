"""What the installed botocore's service model says of an image builder; the contract and the data are compared with it.

No other module reads the model, and none of these functions makes a call.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel


@cache
def members() -> dict[str, str]:
    """The type of every scalar member of an image builder, by its path as `Column.source` writes it."""
    return {path: shape.type_name for path, shape in _scalars(_image_builder(), "")}


@cache
def enums() -> dict[str, tuple[str, ...]]:
    """The values that the model knows of every enum of an image builder, by path. AWS may add others any day."""
    return {path: tuple(shape.enum) for path, shape in _scalars(_image_builder(), "") if getattr(shape, "enum", None)}


def _image_builder() -> Any:
    # Read without a session, so that no profile and no setting has a part in it.
    model = ServiceModel(Loader().load_service_model("appstream", "service-2"), "appstream")
    return model.shape_for("ImageBuilder")


def _scalars(shape: Any, path: str) -> list[tuple[str, Any]]:
    if shape.type_name == "structure":
        prefix = f"{path}." if path else ""
        return [found for name, member in shape.members.items() for found in _scalars(member, prefix + name)]
    if shape.type_name == "list":
        return _scalars(shape.member, f"{path}[]")
    return [(path, shape)]
