"""The ways to deploy, checked as far as possible without a running systemd or Docker engine."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.command_lines import ROOT, parse

from jobs import settings
from jobs.catalog import backbones
from orchestrator.local import supervisor
from workers.devices.discovery import NoSuchDevice

SYSTEMD = ROOT / "deploy" / "systemd"
COMPOSE = ROOT / "deploy" / "compose"
INSTALLED = "/opt/orch/.venv/bin/orch"

# The parts of the Compose specification that the file may use.
SERVICE_KEYS = {
    "image",
    "build",
    "init",
    "environment",
    "volumes",
    "depends_on",
    "command",
    "healthcheck",
    "ports",
    "restart",
    "deploy",
    "stop_grace_period",
    "shm_size",
    "profiles",
}
TOP_KEYS = {"name", "services", "volumes"}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The compose file as YAML reads it, anchors merged."""
    found: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    return found


def known_variables() -> set[str]:
    """The environment variables that orch reads."""
    names = set(re.findall(r'"(ORCH_[A-Z_]+)"', (ROOT / "jobs" / "settings.py").read_text()))
    assert set(settings.BROKER_FILES) < names
    return names


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
    assert all(
        entry.weights_file in example for entry in backbones.CATALOG.values() if entry.weights_file
    )


def test_compose_uses_known_keys_only(compose: dict[str, Any]) -> None:
    """Every key is one of the Compose specification's; extension fields begin with x-."""
    unknown = {key for key in compose if not key.startswith("x-")} - TOP_KEYS
    for service in compose["services"].values():
        unknown |= set(service) - SERVICE_KEYS

    assert unknown == set()


def test_compose_refers_to_things_that_exist(compose: dict[str, Any]) -> None:
    """Named volumes are declared, services waited for exist, the Dockerfile is where it is said to
    be.
    """
    services = compose["services"]
    named = {
        volume.split(":")[0]
        for s in services.values()
        for volume in s["volumes"]
        if volume[0].isalpha()
    }
    awaited = {other for s in services.values() for other in s.get("depends_on", {})}
    builds = [s["build"] for s in services.values() if "build" in s]

    assert named == set(compose["volumes"])
    assert awaited <= set(services)
    assert builds
    assert all((COMPOSE / build["context"] / build["dockerfile"]).is_file() for build in builds)


def test_compose_publishes_to_this_machine_only(compose: dict[str, Any]) -> None:
    """Every published port, Flower's and Redis's, is bound to loopback."""
    ports = {
        name: service["ports"]
        for name, service in compose["services"].items()
        if "ports" in service
    }

    assert ports == {"redis": ["127.0.0.1:6379:6379"], "flower": ["127.0.0.1:5555:5555"]}


def test_compose_redis_wants_a_password_and_writes_no_file(compose: dict[str, Any]) -> None:
    """Redis does not start without a password from the environment. It keeps nothing on disk: one
    that cannot save refuses every message.
    """
    redis = compose["services"]["redis"]

    assert redis["environment"]["REDIS_PASSWORD"].startswith("${REDIS_PASSWORD:?")
    assert '--requirepass "$$REDIS_PASSWORD"' in redis["command"][-1]
    assert '--save "" --appendonly no' in redis["command"][-1]


def test_compose_services_run_commands_that_orch_has(compose: dict[str, Any]) -> None:
    """Commands of the services built from our image parse; their ORCH_ variables are ones orch
    reads.
    """
    ours = {name: service for name, service in compose["services"].items() if "build" in service}
    for service in ours.values():
        if service["command"] != ["--help"]:
            parse(f"orch {' '.join(service['command'])}")

    assert set(ours) == {"worker", "flower", "orch"}
    assert all(set(service["environment"]) <= known_variables() for service in ours.values())


def test_compose_gives_the_worker_one_gpu(compose: dict[str, Any]) -> None:
    """One device by number, zero by default, and time to save a checkpoint."""
    worker = compose["services"]["worker"]
    (device,) = worker["deploy"]["resources"]["reservations"]["devices"]

    assert device == {"driver": "nvidia", "device_ids": ["${ORCH_GPU:-0}"], "capabilities": ["gpu"]}
    assert worker["command"] == ["worker", "--device", "cuda:0"]
    assert worker["stop_grace_period"] == "45s"


def test_compose_variables_are_all_in_the_example(compose: dict[str, Any]) -> None:
    """What the compose file takes from its environment is what `.env.example` explains."""
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", (COMPOSE / "compose.yaml").read_text()))
    explained = set(
        re.findall(r"^([A-Z_]+)=", (COMPOSE / ".env.example").read_text(), re.MULTILINE)
    )

    assert used == explained


def test_docker_compose_accepts_the_file(tmp_path: Path) -> None:
    """`docker compose config` resolves it, where Docker's compose plugin is installed (no engine is
    needed).
    """
    tool = shutil.which("docker")
    if tool is None or subprocess.run([tool, "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker compose is not installed")
    variables = tmp_path / "env"
    variables.write_text(
        (COMPOSE / ".env.example").read_text().replace("REDIS_PASSWORD=", "REDIS_PASSWORD=secret")
    )
    checked = subprocess.run(
        [
            tool,
            "compose",
            "--env-file",
            str(variables),
            "-f",
            str(COMPOSE / "compose.yaml"),
            "config",
            "--quiet",
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_image_holds_what_it_copies_and_runs_without_root() -> None:
    """Everything the Dockerfile copies exists and passes the ignore file; the last user is not
    root.
    """
    lines = (COMPOSE / "Dockerfile").read_text().splitlines()
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    let_through = {
        line[1:]
        for line in (COMPOSE / "Dockerfile.dockerignore").read_text().split()
        if line[0] == "!"
    }

    assert all((ROOT / name).exists() for name in copied)
    assert set(copied) == let_through
    assert [line for line in lines if line.startswith("USER ")] == ["USER orch"]
