"""`orch doctor`: what is installed, what is missing, and how to fix it."""

from __future__ import annotations

import click

from jobs.settings import Settings
from orchestrator.terminal.options import emit, examples, json_option, store_option


@click.command(epilog=examples("orch doctor"))
@json_option
@store_option
@click.pass_obj
def doctor_command(settings: Settings, as_json: bool) -> int:
    """Check versions, store, broker, devices and weights of this machine, and load torch. Say what
    is missing and how to fix it.

    Exit code 1 if something is broken. Something that is only missing may not be needed.
    """
    from dataclasses import asdict

    from orchestrator.doctor.checks import diagnose
    from orchestrator.terminal import progress_bar

    with progress_bar.status_line("checking this machine, loading torch", as_json):
        analysis = diagnose(settings)
    broken = [finding for finding in analysis if finding.state == "broken"]
    if as_json:
        emit({"ok": not broken, "findings": [asdict(finding) for finding in analysis]})
        return 1 if broken else 0
    for finding in analysis:
        click.echo(f"{finding.state:<8} {finding.subject}: {finding.found}")
        if finding.remedy:
            click.echo(f"{'':<8}   fix: {finding.remedy}")
    click.echo("something is broken, see above" if broken else "nothing is broken")
    return 1 if broken else 0
