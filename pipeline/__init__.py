"""The warehouse of AWS AppStream 2.0 image builders. docs/design.md shows the way of the data through the folders."""

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

__version__ = "0.1.0"


def sql_folder() -> Traversable:
    """The folder sql/: below this package where it is installed, beside it in the repository."""
    packaged = resources.files(__name__) / "sql"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "sql"
