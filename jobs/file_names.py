"""Names of files: UTF-8 everywhere, whatever the locale of this machine."""

from __future__ import annotations

import os
import sys


def fault(name: str) -> str | None:
    """Why a name cannot be read here: the file's fault, or that of the locale; else None."""
    try:
        meant = os.fsencode(name).decode("utf-8")
    except UnicodeEncodeError:
        return None  # of no file here
    except UnicodeDecodeError:
        return f"a file's name is not valid UTF-8: {name!r}. Rename it."
    if meant == name:
        return None
    return (
        f"this locale reads file names as {sys.getfilesystemencoding()}, so {meant!r} becomes "
        f"{name!r}. Set LC_ALL=C.UTF-8 or PYTHONUTF8=1."
    )
