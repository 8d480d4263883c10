"""Completion in bash of words with a colon, such as `timm:vit_tiny_patch16_224`.

Bash takes a colon as a word of its own, and replaces only what comes after it.
"""

from __future__ import annotations

import os
from typing import Any

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    split_arg_string,
)


class WithColons(BashComplete):
    """Click's completion for bash, where words with a colon are joined again."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the one that is completed, and that one."""
        given = split_arg_string(os.environ["COMP_WORDS"])[1:]
        place = int(os.environ["COMP_CWORD"]) - 1
        words = [*given[:place], given[place] if place < len(given) else ""]
        joined: list[str] = []
        for word in words:
            if joined and (word.startswith(":") or joined[-1].endswith(":")):
                joined[-1] += word
            else:
                joined.append(word)
        return joined[:-1], joined[-1]

    def format_completion(self, item: CompletionItem) -> str:
        """The item as bash inserts it: without what stands before the last colon."""
        _, begun = self.get_completion_args()
        before = begun.rpartition(":")[0]
        value: Any = item.value
        if before and item.type == "plain":
            value = str(value).removeprefix(f"{before}:")
        return f"{item.type},{value}"


def register() -> None:
    """Let click use it."""
    add_completion_class(WithColons)
