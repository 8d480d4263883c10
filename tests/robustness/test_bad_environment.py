"""Environment variables of every kind: settings, or one clear error."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.refusals import Terminal, refusal

from jobs.errors import BadEnvironment
from jobs.settings import read

UNKNOWN_USER = "names a user that does not exist on this machine"
VALUES = [
    ("ORCH_STORE", " ", "ORCH_STORE is empty"),
    ("ORCH_STORE", "\t", "ORCH_STORE is empty"),
    ("ORCH_STORE", "~nobody-of-that-name", f"ORCH_STORE: ~nobody-of-that-name {UNKNOWN_USER}"),
    ("ORCH_STORE", "~nobody-of-that-name/x/y", "ORCH_STORE: ~nobody-of-that-name/x/y names"),
    ("ORCH_WEIGHTS_DIR", "~nobody-of-that-name/w", "ORCH_WEIGHTS_DIR: ~nobody-of-that-name/w"),
]


@pytest.mark.parametrize(
    ("variable", "value", "words"), VALUES, ids=[f"{row[0]}={row[1]!r}" for row in VALUES]
)
def test_a_variable_that_names_no_folder_is_refused(variable: str, value: str, words: str) -> None:
    """With its name."""
    line = refusal(BadEnvironment, read, {variable: value})

    assert words in line


@pytest.mark.parametrize(("variable", "value", "words"), VALUES[::2])
def test_a_command_refuses_a_variable_that_names_no_folder(
    variable: str, value: str, words: str, terminal: Terminal
) -> None:
    """Exit code 2, whatever the command; nothing is written."""
    terminal.refuses(("status",), words, **{variable: value})


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["ORCH_STORE", "ORCH_BROKER_URL", "ORCH_WEIGHTS_DIR"]),
        st.text(st.characters(exclude_characters="\0"), max_size=20),
    )
)
def test_any_environment_is_settings_or_one_clear_error(values: dict[str, str]) -> None:
    """Folders become absolute, empty values count as unset."""
    try:
        found = read(values)
    except BadEnvironment as error:
        assert "ORCH_" in str(error)  # noqa: PT017
        return

    assert found.store.is_absolute()
    assert found.weights_dir is None or found.weights_dir.is_absolute()
    assert found.broker_url != ""
