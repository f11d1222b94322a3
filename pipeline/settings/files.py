"""A settings file that may be there or not: found, and read as text. What is in it is other modules' subject."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import ConfigurationError


@dataclass(frozen=True)
class SettingsFile:
    """Where a settings file is. `variable` is the one that names it, None where it is the default file.

    `name` is how messages call it. `path` is None where there is no working directory for a default file to be in.
    """

    path: Path | None = None
    name: str = ""
    variable: str | None = None

    def exists(self) -> bool:
        """Whether the file, or folder, is there. A default one that cannot be looked for counts as absent.

        Raises ConfigurationError for one that a variable names and that is not there, or cannot be looked for.
        """
        try:
            if self.path is not None:
                self.path.stat()
                return True
        except OSError as error:
            if self.variable is None:
                return False
            if isinstance(error, FileNotFoundError | NotADirectoryError):
                raise ConfigurationError(f"{self.variable} names {self.name}, which does not exist.") from None
            raise ConfigurationError(self._cannot_be_read(error)) from None
        return False

    def is_folder(self) -> bool:
        """Whether it is a folder that can be looked for."""
        try:
            return self.path is not None and stat.S_ISDIR(self.path.stat().st_mode)
        except OSError:
            return False

    def text(self) -> str | None:
        """The content, UTF-8 with or without a byte order mark; None where there is no file.

        Raises ConfigurationError as `exists` does, and for a file that cannot be read.
        """
        if not self.exists():
            return None
        assert self.path
        try:
            return self.path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(self._cannot_be_read(error)) from error

    def _cannot_be_read(self, error: OSError | UnicodeDecodeError) -> str:
        reason = error.strerror if isinstance(error, OSError) else f"it is not UTF-8 ({error.reason})"
        return f"{self.path} cannot be read: {reason}."


NO_FILE = SettingsFile()
"""No file at all: whoever reads it gets the defaults."""
