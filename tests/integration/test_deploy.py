"""The ways to deploy, checked as far as possible without a running systemd or Docker engine."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.command_lines import ROOT, parse
from support.environment_variables import known_variables

from orchestrator.local import supervisor
from workers.devices.discovery import NoSuchDevice

SYSTEMD = ROOT / "deploy" / "systemd"
INSTALLED = "/opt/orch/.venv/bin/orch"


def unit(name: str) -> dict[str, list[str]]:
    """A systemd unit's keys, each with its values."""
    pairs = re.findall(r"^(\w+)=(.*)$", (SYSTEMD / name).read_text(), re.MULTILINE)
    return {key: [value for other, value in pairs if other == key] for key, _ in pairs}


UNITS = sorted(path.name for path in SYSTEMD.glob("*.service"))
MAX_EXPOSURE = 2.5


@pytest.mark.parametrize("name", UNITS)
def test_units_expose_little(name: str) -> None:
    """By systemd's own count, of 10; above 2.5 a unit can do more than it needs to."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    words = ["systemd-analyze", "security", "--offline=true", str(SYSTEMD / name)]
    counted = subprocess.run(words, capture_output=True, text=True, timeout=60)
    if "--offline" in counted.stderr:
        pytest.skip("this systemd-analyze cannot look at files (systemd 250 can)")
    level = re.search(r"Overall exposure level for .*?: ([0-9.]+)", counted.stdout)

    assert level is not None, counted.stderr
    assert float(level[1]) <= MAX_EXPOSURE, counted.stdout


@pytest.mark.parametrize("name", UNITS)
def test_systemd_accepts_the_units(name: str, tmp_path: Path) -> None:
    """`systemd-analyze verify` reports nothing for a unit whose program exists."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd)")
    text = (SYSTEMD / name).read_text()
    copy = tmp_path / name
    copy.write_text(text.replace(INSTALLED, shutil.which("true") or "/bin/true"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, timeout=60
    )

    assert INSTALLED in text
    assert (verified.returncode, verified.stderr.strip()) == (0, "")


@pytest.mark.parametrize("name", UNITS)
def test_units_start_commands_that_orch_has(name: str) -> None:
    """The command line of each unit parses against the real command, with its options."""
    (line,) = unit(name)["ExecStart"]
    program, words = line.split(maxsplit=1)
    parse(f"orch {words}")

    assert program == INSTALLED


def test_a_worker_is_one_instance_a_gpu_and_stops_gently() -> None:
    """The instance's name is the GPU. SIGTERM reaches only the worker, which has time for a
    checkpoint.
    """
    worker = unit("orch-worker@.service")

    assert worker["ExecStart"] == [f"{INSTALLED} worker --device cuda:%i"]
    assert (worker["KillMode"], worker["KillSignal"]) == (["mixed"], ["SIGTERM"])
    assert int(worker["TimeoutStopSec"][0]) >= 30
    assert (worker["Restart"], worker["User"]) == (["always"], ["orch"])


@pytest.mark.parametrize("name", ["orch-workers.service", "orch-worker@.service"])
def test_units_are_started_again_unless_waiting_does_not_help(name: str) -> None:
    """The exit code of a permanent failure is the one that `orch worker` has for it."""
    keys = unit(name)

    assert keys["Restart"] == ["always"]
    assert keys["RestartPreventExitStatus"] == [str(supervisor.PERMANENT)]
    assert NoSuchDevice.exit_code == supervisor.PERMANENT


def test_one_unit_serves_all_gpus_and_has_time_to_stop_them() -> None:
    """Workers that do not stop are killed by the supervisor, before systemd kills it."""
    keys = unit("orch-workers.service")

    assert keys["ExecStart"] == [f"{INSTALLED} worker --device all"]
    assert int(keys["TimeoutStopSec"][0]) > supervisor.LEAVE_S


def test_hardening_leaves_the_gpu_usable() -> None:
    """Settings that would hide the devices or forbid kernels compiled at run time are not used."""
    for name in ("orch-worker@.service", "orch-workers.service"):
        worker = unit(name)
        hiding = {"PrivateDevices", "DevicePolicy", "DeviceAllow", "ProtectClock", "ProcSubset"}
        assert not {*hiding, "PrivateUsers", "MemoryDenyWriteExecute"} & set(worker)
        assert "@resources" not in " ".join(worker["SystemCallFilter"])  # affinity, memory policy


def test_units_may_write_where_the_example_puts_the_store() -> None:
    """All else of the file system is read-only to them."""
    example = (SYSTEMD / "worker.env.example").read_text()
    (store,) = re.findall(r"^ORCH_STORE=(.*)$", example, re.MULTILINE)
    for name in UNITS:
        keys = unit(name)
        if "ReadWritePaths" in keys:
            assert keys["ProtectSystem"] == ["strict"]
            assert Path(store).parent.as_posix() in keys["ReadWritePaths"][0].split()


def test_environment_examples_name_variables_that_orch_reads() -> None:
    """The example of /etc/orch/worker.env sets all variables of orch and no others."""
    example = (SYSTEMD / "worker.env.example").read_text()

    assert set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE)) == known_variables()
    assert "'orch doctor' names the files" in example
