"""Kubernetes and Slurm, checked without a cluster; and the scripts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.command_lines import ROOT, parse
from support.environment_variables import known_variables

from orchestrator.local import supervisor

KUBERNETES = ROOT / "deploy" / "kubernetes"


def test_kubernetes_accepts_the_objects() -> None:
    """By the schemas of Kubernetes, as far as objects are its own."""
    validate = pytest.importorskip("kubernetes_validate").validate
    objects = list(yaml.safe_load_all((KUBERNETES / "orch.yaml").read_text()))
    for each in objects:
        validate(each, "1.30", strict=True)

    assert {each["kind"] for each in objects} >= {"Deployment", "PersistentVolumeClaim", "Service"}


def test_kubernetes_workers_run_a_command_that_orch_has_and_have_time_to_stop() -> None:
    """Their variables are ones that orch reads; secrets are files of the secret."""
    objects = yaml.safe_load_all((KUBERNETES / "orch.yaml").read_text())
    deployed = {each["metadata"]["name"]: each for each in objects if each["kind"] == "Deployment"}
    pod = deployed["orch-worker"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    parse(f"orch {' '.join(container['args'])}")
    scaled = yaml.safe_load((KUBERNETES / "scaling.yaml").read_text())

    assert {each["name"] for each in container["env"]} - known_variables() == {"POD"}
    assert pod["terminationGracePeriodSeconds"] > supervisor.LEAVE_S
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert scaled["spec"]["scaleTargetRef"]["name"] in deployed


SCRIPTS = sorted(
    path
    for path in (ROOT / "deploy").rglob("*")
    if path.suffix in (".sh", ".sbatch") and "secrets" not in path.parts
)


@pytest.mark.parametrize("script", SCRIPTS, ids=[path.name for path in SCRIPTS])
def test_scripts_are_clean_and_can_be_run(script: Path) -> None:
    """By shellcheck."""
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed (Debian: shellcheck)")
    checked = subprocess.run(["shellcheck", str(script)], capture_output=True, text=True)

    assert checked.stdout == ""
    assert script.suffix == ".sbatch" or os.access(script, os.X_OK)


SLURM = ROOT / "deploy" / "slurm" / "workers.sbatch"
STAND_IN = """#!{python}
import os, signal, sys
for number in (signal.SIGUSR1, signal.SIGTERM):
    signal.signal(number, lambda *_: sys.exit(0))
print(*sys.argv[1:], flush=True)
if "END" in os.environ:
    sys.exit(int(os.environ["END"]))
while True:
    signal.pause()
"""


@pytest.mark.parametrize(
    ("end", "number", "requeued"),
    [
        (None, signal.SIGUSR1, True),
        (None, signal.SIGTERM, False),
        ("0", None, False),
        ("2", None, False),
        ("75", None, True),
    ],
    ids=["time limit", "scancel", "idle", "for good", "for a while"],
)
def test_a_job_of_slurm_is_queued_again_where_that_helps(
    end: str | None, number: signal.Signals | None, requeued: bool, tmp_path: Path
) -> None:
    """The signal reaches the worker, and the job's exit code is the worker's."""
    programs = {
        "orch": STAND_IN.format(python=sys.executable),
        "scontrol": '#!/bin/sh\necho "$@" > "$(dirname "$0")/told"\n',
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    variables = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "ORCH_STORE": "/store",
        "ORCH_BROKER_URL": "rediss://orch-worker@login1:6380/0",
        "SLURM_JOB_ID": "8",
        "SLURM_ARRAY_JOB_ID": "7",
        "SLURM_ARRAY_TASK_ID": "1",
        **({"END": end} if end else {}),
    }
    job = subprocess.Popen(["bash", SLURM], env=variables, stdout=subprocess.PIPE, text=True)
    assert job.stdout is not None
    words = job.stdout.readline().strip()
    if number:
        job.send_signal(number)
    job.communicate(timeout=20)
    told = tmp_path / "told"
    parse(f"orch {words}")

    assert job.returncode == int(end or 0)
    assert (told.read_text().strip() if told.exists() else "") == ("requeue 8" if requeued else "")
