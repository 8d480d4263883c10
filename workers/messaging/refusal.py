"""Why a broker cannot be used, in one line: Redis's own words where it answered."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from urllib.parse import unquote

from kombu.exceptions import ChannelError, OperationalError
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    RedisError,
    ResponseError,
)

from jobs.errors import BrokerUnreachable
from workers.messaging import address, password_file, tls_refusal
from workers.messaging.tls_refusal import CHECK

UNREACHABLE = (OperationalError, ChannelError, RedisError, OSError)


@contextlib.contextmanager
def reachable(broker_url: str) -> Iterator[None]:
    """Turn every failure to reach or use a broker into `BrokerUnreachable`."""
    try:
        yield
    except BrokerUnreachable:
        raise
    except (*UNREACHABLE, ValueError, KeyError, ImportError) as error:
        raise explained(broker_url, error) from None
    except TypeError:  # how kombu refuses an option in the address
        raise BrokerUnreachable(
            "ORCH_BROKER_URL has a part or an option that is not taken. Check it; unset it to use "
            "the embedded broker."
        ) from None


def explained(broker_url: str, error: BaseException) -> BrokerUnreachable:
    """The error that tells why this broker could not be used, without its password."""
    chain = list(_causes(error))
    unreachable = _explained(broker_url, chain)
    unreachable.kind = next((_kind(each) for each in chain if isinstance(each, ResponseError)), "")
    return unreachable


def _kind(error: ResponseError) -> str:
    """The class of an error reply, and its code where redis-py leaves that in the text."""
    words = str(error).rpartition("caused error: ")[2].split()
    return " ".join([type(error).__name__, *(word for word in words[:1] if word.isupper())])


def _explained(broker_url: str, chain: list[BaseException]) -> BrokerUnreachable:
    shown = address.place(broker_url)
    for cause in chain:
        said = _said(cause, broker_url)
        if isinstance(cause, AuthenticationError):
            return BrokerUnreachable(
                f"the broker at {shown} refuses the password, or wants one: {said}. "
                f"{_where_the_password_is(broker_url)}{_raw_at(broker_url)}"
            )
        if isinstance(cause, NoPermissionError):
            return BrokerUnreachable(
                f"the user of the broker at {shown} lacks a right: {said}. {CHECK}: its user, and "
                "compare the rights in Redis with deploy/redis/users.acl."
            )
        if isinstance(cause, ResponseError | BusyLoadingError) or _is_full(cause):
            return BrokerUnreachable(
                f"the broker at {shown} answers: {said}.{_database(said)} {CHECK}, or mend that in "
                "Redis."
            )
        if isinstance(cause, ssl.SSLCertVerificationError):
            return BrokerUnreachable(
                f"the certificate of the broker at {shown} is not accepted: "
                f"{(cause.verify_message or said).rstrip('.')}. {tls_refusal.of_certificate(cause)}"
            )
        if isinstance(cause, ssl.SSLError):
            return BrokerUnreachable(
                f"TLS with the broker at {shown} failed ({cause.reason or said}). "
                f"{tls_refusal.of_handshake(cause)}"
            )
    return BrokerUnreachable(
        f"no broker answers at {shown} ({_reason(chain)}).{_raw_at(broker_url)}"
        f"{_hung_up(broker_url, chain)} {CHECK} and that Redis runs there; unset it to use the "
        "embedded one."
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what caused it, the outermost first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _reason(chain: list[BaseException]) -> str:
    """What the innermost system error says, else the kind of the first cause."""
    for cause in reversed(chain):
        if isinstance(cause, OSError) and not isinstance(cause, RedisError) and cause.strerror:
            return cause.strerror
    if any(isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__ for cause in chain):
        return "no answer in time"
    return type(chain[1] if len(chain) > 1 else chain[0]).__name__


def _said(error: BaseException, broker_url: str) -> str:
    """The error's own words in one line, without the password if they repeat it."""
    said = " ".join(str(error).split())[:400].rstrip(".")
    place = broker_url.partition("://")[2].rpartition("@")[0]
    kept = address.named_password_file(broker_url)
    for secret in (place, *place.split(":", 1), password_file.read_or_empty(kept)):
        for form in (secret, unquote(secret)):
            said = said.replace(form, "***") if len(form) > 3 else said
    return "".join(each if each.isprintable() else "?" for each in said)


def _is_full(error: BaseException) -> bool:
    """Whether Redis has no room for another client; redis-py knows no class for that."""
    return "max number of clients" in str(error)


def _database(said: str) -> str:
    if "DB index" in said:
        return " It has not the database that the address names: 0 to 15, unless set otherwise."
    return ""


def _hung_up(broker_url: str, chain: list[BaseException]) -> str:
    """A hint if the connection was broken off, which Redis may do before it says why."""
    broken = any(isinstance(cause, ConnectionResetError | BrokenPipeError) for cause in chain)
    if broken and broker_url.startswith("rediss://"):
        return f" Where Redis wants a certificate of ours, {tls_refusal.GIVE_OURS}."
    if broken and broker_url.startswith("redis://"):
        return " Where this port speaks TLS, write rediss://."
    return ""


def _where_the_password_is(broker_url: str) -> str:
    if (kept := address.named_password_file(broker_url)) is not None:
        return f"Check the user in ORCH_BROKER_URL and the password in {kept}."
    return f"{CHECK}: redis://:PASSWORD@HOST:PORT/0, or name a file in ORCH_BROKER_PASSWORD_FILE."


def _raw_at(broker_url: str) -> str:
    if address.has_raw_at(broker_url):
        return " It holds an '@' that is not encoded: in a password write %40 for it."
    return ""
