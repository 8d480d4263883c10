"""Names of files: UTF-8 everywhere, whatever the locale of this machine; plain ones for ours."""

from __future__ import annotations

import os
import re
import sys
import unicodedata


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


def plain(name: str) -> str:
    """A name with letters, digits, '.', '_' and '-' alone: `nächstes jahr` is `nachstes-jahr`.

    Accents go; what has no such letters is a '-'.
    """
    letters = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    unmarked = "".join(each for each in letters if not unicodedata.combining(each))
    return re.sub(r"[^A-Za-z0-9._-]+", "-", unmarked)
