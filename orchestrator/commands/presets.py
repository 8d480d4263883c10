"""`orch presets`: what each preset sets."""

from __future__ import annotations

import json

import click

from orchestrator.terminal.options import emit, examples, json_option


@click.command(epilog=examples("orch presets", "orch presets --json"))
@json_option
def presets_command(as_json: bool) -> None:
    """List the presets of a recipe with the keys that each sets; other keys override them."""
    from jobs.catalog.presets import PRESETS

    if as_json:
        rows = [
            {"name": entry.name, "help": entry.help, "settings": dict(entry.settings)}
            for entry in PRESETS.values()
        ]
        emit({"presets": rows})
        return
    for entry in PRESETS.values():
        click.echo(f"{entry.name}: {entry.help}")
        for key, value in entry.settings.items():
            click.echo(f"  {key}: {json.dumps(value) if isinstance(value, bool) else value}")
