"""Faces of packages whose names are loaded when they are first asked for: who asks a question publishes nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def loaded_when_asked_for(package: str, lives_in: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package's face; `lives_in` has the module of each of its names (PEP 562)."""

    def get(name: str) -> Any:
        if name not in lives_in:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(f"{package}.{lives_in[name]}"), name)
        setattr(sys.modules[package], name, found)  # From now on it is there.
        return found

    return get
