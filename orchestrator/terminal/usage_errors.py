"""Turn errors of click into one line that says what to do."""

from __future__ import annotations

import click

RUNS = "'orch status' lists the runs."
NUMBERS = {
    "integer": "a whole number",
    "integer range": "a whole number",
    "float": "a number, such as 0.001,",
}
OTHER_WORDS = dict.fromkeys(("gpu", "gpus", "cuda", "gpu_id", "accelerator"), "device")
"""What other programs call options that are no key of a specification."""
DESTRUCTIVE = frozenset({"repair"})
"""Options that remove something; they are never offered for another word."""


def error_line(error: click.ClickException) -> str:
    """The option, its value and the accepted values; else click's message and where help is."""
    if isinstance(error, click.MissingParameter):
        of_a_run = error.param is not None and error.param.name == "run"
        return f"{error.format_message()} {RUNS if of_a_run else _help(error)}"
    if isinstance(error, click.BadParameter) and error.param is not None:
        return _of_value(error, error.param)
    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        return f"{error.message} {_meant(error.option_name, error.ctx)}{_help(error)}"
    if isinstance(error, click.UsageError) and type(error) is not click.UsageError:
        return f"{error.format_message()}{_commands(error)} {_help(error)}".strip()
    return error.format_message()


def _meant(typed: str, ctx: click.Context) -> str:
    """The option that was meant, or that there is none yet, with a space; else nothing."""
    from jobs.spec import synonyms
    from jobs.spec.keys import KEYS

    if missing := synonyms.not_yet(typed):
        return f"{missing} "
    options = {
        each.name: next(word for word in each.opts if word.startswith("--"))
        for each in ctx.command.params
        if isinstance(each, click.Option) and each.name and each.name not in DESTRUCTIVE
    }
    keys = KEYS if "learning_rate" in options else {}
    spelled = OTHER_WORDS.get(synonyms.normal(typed), typed)
    known = {word.lstrip("-").replace("-", "_"): name for name, word in options.items()}
    meant = synonyms.key_meant(spelled, {**known, **dict.fromkeys(options), **keys})
    if meant is None:
        return ""
    option = options.get(known.get(meant, meant))
    if option is not None:
        return f"Did you mean '{option}'? "
    return f"It is the key '{meant}' of a spec file, and has no option. "


def _of_value(error: click.BadParameter, param: click.Parameter) -> str:
    name = next(
        (option for option in param.opts if option.startswith("--")), param.human_readable_name
    )
    given, is_not, _ = error.message.partition(" is not ")
    needed = _needed(getattr(param.type, "of", param.type))
    if not is_not or not needed:
        return f"{name}: {error.message}"
    return f"{name} {given}: {needed} is needed."


def _needed(kind: click.ParamType[object]) -> str:
    if isinstance(kind, click.Choice):
        return f"one of {', '.join(map(str, kind.choices))}"
    number = NUMBERS.get(kind.name, "")
    if isinstance(kind, click.IntRange) and kind.min is not None:
        most = f" to {kind.max:,}" if kind.max is not None else " up"
        return f"{number} from {kind.min:,}{most}"
    return number


def _commands(error: click.UsageError) -> str:
    group = error.ctx.command if error.ctx else None
    if (
        error.ctx is None
        or not error.message.startswith("No such command")
        or not isinstance(group, click.Group)
    ):
        return ""
    return f" Commands: {', '.join(group.list_commands(error.ctx))}."


def _help(error: click.UsageError) -> str:
    return f"See: {error.ctx.command_path} --help" if error.ctx else ""
