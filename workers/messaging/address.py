"""The broker's address: what is wrong with it, and what is added to it, before any connection."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from jobs.errors import BadBrokerAddress
from jobs.settings import BROKER_FILES
from workers.messaging import password_file

SCHEMES = ("redis://", "rediss://", "redis+socket://")
CERT_REQS = ("required", "optional", "none", "CERT_REQUIRED", "CERT_OPTIONAL", "CERT_NONE")
TLS_FILES = {option: name for name, option in BROKER_FILES.items() if option[:4] == "ssl_"}
"""Options that name a file of TLS, each with the variable that sets it."""
PASSWORD_FILE = "password_file"
DEFAULT_PORT = 6379
ENCODED = {"@": "%40", "#": "%23", "?": "%3F", "/": "%2F", "%": "%25"}


def checked(broker_url: str) -> str:
    """The address to connect to; raises `BadBrokerAddress` for one that cannot be meant.

    A password that is kept in a file is put in here, and nowhere else. With `rediss://` the
    certificate and its host name are verified, unless the address says otherwise: kombu would
    accept any certificate.
    """
    if not broker_url.startswith(SCHEMES):
        raise _refused(f"begins with none of {', '.join(SCHEMES)}")
    _require_encoded(broker_url)
    _require_database(broker_url)
    broker_url, options = _with_password(broker_url), _options(broker_url)
    if not broker_url.startswith("rediss://"):
        _require_no_tls(options)
        return broker_url
    _require_tls_options(options)
    if "ssl_cert_reqs" in options:
        return broker_url
    return f"{broker_url}{'&' if '?' in broker_url else '?'}ssl_cert_reqs=required"


def tls_options(broker_url: str) -> dict[str, Any] | None:
    """The TLS options of an address from `checked`, as redis-py takes them; None without TLS."""
    if not broker_url.startswith("rediss://"):
        return None
    given = dict(parse_qsl(urlsplit(broker_url).query))
    options: dict[str, Any] = {key: value for key, value in given.items() if key[:4] == "ssl_"}
    options["ssl_cert_reqs"] = options["ssl_cert_reqs"].removeprefix("CERT_").lower()
    if "ssl_check_hostname" in options:
        options["ssl_check_hostname"] = options["ssl_check_hostname"].lower() != "false"
    return options


def named_password_file(broker_url: str) -> Path | None:
    """The file that holds the password of this address, if one does."""
    path = _options(broker_url).get(PASSWORD_FILE)
    return Path(path) if path else None


def place(broker_url: str) -> str:
    """Where an address from `checked` leads: host and port, or the socket; never a user's name."""
    parts = urlsplit(broker_url)
    if broker_url.startswith("redis+socket://"):
        shown = unquote(parts.path)
    else:
        shown = f"{parts.hostname or 'localhost'}:{parts.port or DEFAULT_PORT}"
    return "".join(each if each.isprintable() else "?" for each in shown)[:200]


def has_raw_at(broker_url: str) -> bool:
    """Whether the part before the host holds an `@` that is not encoded."""
    place = re.split(r"[/?#]", broker_url.partition("://")[2], maxsplit=1)[0]
    return place.count("@") > 1


def _options(broker_url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(broker_url).query, keep_blank_values=True))


def _with_password(broker_url: str) -> str:
    """The address with the password from the file that it names; unchanged without one."""
    options = _options(broker_url)
    if (named := options.pop(PASSWORD_FILE, None)) is None:
        return broker_url
    parts = urlsplit(broker_url)
    if parts.password:
        raise _refused("holds a password, and ORCH_BROKER_PASSWORD_FILE is set, too. Give one")
    password = quote(password_file.read(Path(named)), safe="")
    user, host = ("", parts.netloc) if "@" not in parts.netloc else parts.netloc.split("@", 1)
    netloc = f"{user.removesuffix(':')}:{password}@{host}"
    return parts._replace(netloc=netloc, query=urlencode(options, safe="/")).geturl()


def _require_no_tls(options: dict[str, str]) -> None:
    """Refuse files of TLS where the address is without TLS: the password would cross in clear."""
    for name, variable in TLS_FILES.items():
        if name in options:
            raise _refused(f"is without TLS, but {variable} ({name}) is set. Write rediss://")


def _require_encoded(broker_url: str) -> None:
    """Refuse a password with a character that ends it early.

    The rest of such a password would be taken for a host, a database or an option.
    """
    rest = broker_url.partition("://")[2]
    cut = next((each for each in rest if each in "#?/"), "")
    if cut == "#" or (cut and broker_url.startswith(("redis://", "rediss://")) and _cuts(rest)):
        raise _refused(
            f"holds a '{cut}' that is not encoded. In a password write {ENCODED[cut]} for it "
            f"({', '.join(f'{code} for {each}' for each, code in ENCODED.items() if each != cut)})",
        )
    if "#" in rest:
        raise _refused("holds a '#', which ends it early. Write %23 for it")


def _cuts(rest: str) -> bool:
    """Whether an `@` follows the first `/` or `?`: the password holds that character."""
    after = re.split(r"[/?#]", rest, maxsplit=1)[1]
    return "@" in re.sub(r"(^|\?)[a-z_]+=.*", "", after)


def _require_database(broker_url: str) -> None:
    try:
        parts = urlsplit(broker_url)
        _ = parts.port
    except ValueError as error:
        raise _refused(f"cannot be read: {_without_value(error)}") from None
    if broker_url.startswith("redis+socket://"):
        database = dict(parse_qsl(parts.query)).get("virtual_host", "")
    else:
        database = unquote(parts.path).strip("/")
    if database.strip("/") and not database.strip("/").isdecimal():
        raise _refused("names a database that is no number. Write /0, or another number")


def _require_tls_options(options: dict[str, str]) -> None:
    reqs = options.get("ssl_cert_reqs", "required")
    if reqs not in CERT_REQS:
        raise _refused(
            "has an ssl_cert_reqs that it does not know. It takes required, optional or none"
        )
    for name, variable in TLS_FILES.items():
        if name not in options:
            continue
        if not Path(options[name]).is_file():
            raise _refused(f"has {name}={options[name][:200]}, where no file is ({variable})")
        if not os.access(options[name], os.R_OK):
            raise _refused(f"has {name}={options[name][:200]}, which may not be read ({variable})")
    if "ssl_keyfile" in options and "ssl_certfile" not in options:
        raise _refused("has a key of ours without its certificate. Set ORCH_BROKER_CERT, too")


def _without_value(error: ValueError) -> str:
    """What urllib says, without the part that may be a password."""
    return "its port is no number from 0 to 65535" if "ort" in str(error) else "it is no address"


def _refused(problem: str) -> BadBrokerAddress:
    return BadBrokerAddress(
        f"ORCH_BROKER_URL {problem}. Check it; unset it to use the embedded broker."
    )
