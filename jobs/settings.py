"""Settings read from environment variables."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from jobs.errors import BadEnvironment

DEFAULT_STORE = "orch-store"
MAX_WORKERS = 256
"""Workers that one machine runs at most."""
BROKER_FILES = {
    "ORCH_BROKER_CA": "ssl_ca_certs",
    "ORCH_BROKER_CERT": "ssl_certfile",
    "ORCH_BROKER_KEY": "ssl_keyfile",
    "ORCH_BROKER_PASSWORD_FILE": "password_file",
}
"""Variables that name a file for the broker, each with the option of the address that it sets."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Store folder, broker address (None: the embedded Redis) and folder of pretrained weights."""

    store: Path
    broker_url: str | None
    weights_dir: Path | None


def read(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the variables of orch; an empty one counts as unset."""
    values = os.environ if environment is None else environment
    weights_dir = values.get("ORCH_WEIGHTS_DIR")
    return Settings(
        store=folder(values.get("ORCH_STORE") or DEFAULT_STORE, "ORCH_STORE"),
        broker_url=_broker_url(values),
        weights_dir=folder(weights_dir, "ORCH_WEIGHTS_DIR") if weights_dir else None,
    )


def with_store(store: str | Path | None) -> Settings:
    """The settings of the environment, with this store where one is given."""
    settings = read()
    return settings if store is None else replace(settings, store=folder(str(store), "store"))


def _broker_url(values: Mapping[str, str]) -> str | None:
    """The broker's address; files that variables name are options of it, unless it names others.

    The files are read when a connection is made: no password is ever part of the settings.
    """
    url = values.get("ORCH_BROKER_URL") or None
    for variable, option in BROKER_FILES.items():
        given = values.get(variable)
        if url is None or not given or re.search(rf"[?&]{option}=", url):
            continue
        path = quote(str(folder(given, variable)), safe="/")
        url = f"{url}{'&' if '?' in url else '?'}{option}={path}"
    return url


def command_line(store: Path, *words: str) -> str:
    """A command of orch that can be pasted; it names the store if the environment does not."""
    try:
        named = store.absolute() == read().store
    except BadEnvironment:
        named = False
    return shlex.join(["orch", *([] if named else ["--store", str(store.absolute())]), *words])


def folder(value: str, origin: str) -> Path:
    """`value` as an absolute path; raises `BadEnvironment`.

    `origin` is the variable or option that holds the value, named in the message. An address such
    as `s3://bucket/store` is no folder, and Parquet's libraries take no path that is not UTF-8.
    """
    if not value.strip():
        raise BadEnvironment(f"{origin} is empty. Set it to a folder.")
    if address := re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", value):
        raise BadEnvironment(
            f"{origin} is an address ({address[1]}://), not a folder. "
            "Mount it and give the folder; it must have hard links, as ext4, XFS and NFS do."
        )
    try:
        path = Path(value).expanduser().absolute()
        os.fsencode(path).decode()
        return path
    except UnicodeError:
        shown = str(path).encode(errors="backslashreplace").decode()
        raise BadEnvironment(
            f"{origin}: {shown} is not UTF-8, so no store or weights can be there. Rename it."
        ) from None
    except RuntimeError:
        raise BadEnvironment(
            f"{origin}: {value[:80]} names a user that does not exist on this machine."
        ) from None
