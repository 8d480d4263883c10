"""The environment, read once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

DEFAULT_STORE = "orch-store"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the store is, which broker to use (None: the embedded one), where pretrained weights lie."""

    store: Path
    broker_url: str | None
    weights_dir: Path | None


def read(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from `ORCH_STORE`, `ORCH_BROKER_URL` and `ORCH_WEIGHTS_DIR`; an empty value counts as unset."""
    values = os.environ if environment is None else environment
    weights_dir = values.get("ORCH_WEIGHTS_DIR")
    return Settings(
        store=Path(values.get("ORCH_STORE") or DEFAULT_STORE).expanduser().absolute(),
        broker_url=values.get("ORCH_BROKER_URL") or None,
        weights_dir=Path(weights_dir).expanduser().absolute() if weights_dir else None,
    )


def without_password(url: str) -> str:
    """The address as it may be shown: a password becomes `***`, in the address and in its query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(an address that cannot be read)"
    netloc = parts.netloc
    if "@" in netloc:
        user, host = netloc.rsplit("@", 1)
        netloc = f"{user.split(':', 1)[0]}:***@{host}" if ":" in user else f"***@{host}"
    query = "&".join(
        f"{pair.split('=', 1)[0]}=***" if "password" in pair.lower() else pair
        for pair in parts.query.split("&")
        if pair
    )
    scheme = f"{parts.scheme}://" if "://" in url else ""
    return f"{scheme}{netloc}{parts.path}{'?' if query else ''}{query}"
