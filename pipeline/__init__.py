"""The warehouse of AWS AppStream 2.0 image builders. docs/design.md shows the way of the data through the folders."""

from pathlib import Path

__version__ = "0.1.0"


def sql_folder() -> Path:
    """The folder sql/: below this package where it is installed, beside it in the repository."""
    here = Path(__file__).parent
    packaged = here / "sql"
    return packaged if packaged.is_dir() else here.parent / "sql"
