"""Errors in the words of who asked: options on the command line, parameters in Python."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Collection, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

from jobs.errors import OrchError
from orchestrator import own_packages

F = TypeVar("F", bound=Callable[..., Any])

ON_COMMAND_LINE: ContextVar[bool] = ContextVar("on_command_line", default=False)
"""Set by the command line, whose messages keep the names of options."""

ELSE = {"no-workers": "workers=0", "all-backbones": "backbones='all'"}
"""Options that are a value of a parameter."""

_COMMANDS = r"'orch [^']*'|\borch [a-z].*"
_OPTION = re.compile(rf"(?P<command>{_COMMANDS})|--(?P<name>[a-z][a-z-]*[a-z])", re.DOTALL)
_SETTING = re.compile(r"--setting (\w+)=([^\s.]+(?:\.\d+)?)")


def with_parameters(message: str, names: Collection[str]) -> str:
    """The message with the parameters `names` for options; what it says to type in a shell stays.

    `--max-size` is `max_size`, and `--runtime` is `runtimes` where that is the parameter.
    """
    message = _SETTING.sub(r'setting={"\1": \2}', message) if "setting" in names else message

    def name_of(match: re.Match[str]) -> str:
        if match["command"]:
            return match[0]
        if match["name"] in ELSE:
            return ELSE[match["name"]]
        name = match["name"].replace("-", "_")
        return next((each for each in (name, f"{name}s") if each in names), match[0])

    return _OPTION.sub(name_of, message)


def names_parameters(function: F) -> F:
    """Let errors of a function name its parameters, unless the command line has called it."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            with own_packages.explaining():
                return function(*args, **kwargs)
        except OrchError as error:
            if not ON_COMMAND_LINE.get() and error.args:
                error.args = (with_parameters(str(error), _names(function)), *error.args[1:])
            raise

    return wrapped  # type: ignore[return-value]


def several(values: str | Sequence[str]) -> list[str]:
    """The values; in one text they are separated by commas, as on the command line."""
    return [each.strip() for each in values.split(",")] if isinstance(values, str) else [*values]


def _names(function: Callable[..., Any]) -> set[str]:
    """The parameters of a function; with `**keys` also the keys of a specification."""
    parameters = inspect.signature(function).parameters.values()
    names = {each.name for each in parameters}
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters):
        from jobs.spec.model import Spec

        names |= set(Spec.model_fields)
    return names
