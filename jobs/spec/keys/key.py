"""What is known of one key of a specification."""

from __future__ import annotations

from typing import Any, NamedTuple


class Key(NamedTuple):
    """One key of a specification.

    `kind` is the type of its value, or of the values in its list. `option` is the help text of the
    option of `orch submit`, without the default; a key without one has no option. `meaning` is its
    text in docs/spec.md. Both may name what `texts.placeholders` lists, in braces.
    `default_shown` and `default_documented` replace the default there.

    `needs` says what the key takes, where its type does not say it. `changes_run` is false for a
    key whose other value continues the same run. `later` marks a key that 0.1.0 did not have: names
    of data sets, trials and runs leave it out at its default.
    """

    default: Any
    kind: type
    option: str
    meaning: str
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    default_shown: str | None = None
    default_documented: str | None = None
    needs: str | None = None
    changes_run: bool = True
    later: bool = False
