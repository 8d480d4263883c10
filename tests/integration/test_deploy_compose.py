"""Docker Compose, checked as far as possible without a Docker engine."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.command_lines import ROOT, parse
from support.environment_variables import known_variables

COMPOSE = ROOT / "deploy" / "compose"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The compose file as YAML reads it, anchors merged."""
    read: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    return read


def test_compose_keeps_to_the_compose_specification() -> None:
    """By the specification's own schema."""
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    checked = subprocess.run(
        [*words, str(COMPOSE / "compose.yaml")], capture_output=True, text=True, timeout=60
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_compose_refers_to_things_that_exist(compose: dict[str, Any]) -> None:
    """Named volumes are declared, services waited for exist, the Dockerfile is where it is said to
    be.
    """
    services = compose["services"]
    named = {
        volume.split(":")[0]
        for s in services.values()
        for volume in s.get("volumes", [])
        if volume[0].isalpha()
    }
    awaited = {other for s in services.values() for other in s.get("depends_on", {})}
    builds = [s["build"] for s in services.values() if "build" in s]

    assert named == set(compose["volumes"])
    assert awaited <= set(services)
    assert {name for s in services.values() for name in s["secrets"]} <= set(compose["secrets"])
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


def test_compose_redis_has_users_of_least_rights_and_writes_no_file(
    compose: dict[str, Any],
) -> None:
    """It keeps nothing on disk: one that cannot save refuses every message. No secret is in the
    environment of a container, where `docker inspect` shows it.
    """
    words = " ".join(map(str, compose["services"]["redis"]["command"]))
    users = {
        name: re.findall(r"redis://(.*?)@", service["environment"]["ORCH_BROKER_URL"])
        for name, service in compose["services"].items()
        if "build" in service
    }

    assert "--aclfile /run/secrets/users.acl" in words
    assert "--save  --appendonly no" in words
    assert users.pop("flower") == ["orch-flower"]
    assert users.pop("orch") == ["orch-controller"]
    assert set(map(str, users.values())) == {"['orch-worker']"}


def test_compose_secrets_are_made_once(tmp_path: Path) -> None:
    """Run again, the passwords stay; the users' file holds their digests alone."""
    copy = tmp_path / "deploy"
    for name in ("compose/secrets.sh", "redis/users.acl"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "deploy" / name, copy / name)
    made = copy / "compose" / "secrets"
    contents = []
    for _ in range(2):
        subprocess.run([copy / "compose" / "secrets.sh"], check=True, capture_output=True)
        contents.append({path.name: path.read_text() for path in made.iterdir()})
    users, passwords = contents[0].pop("users.acl"), contents[0]

    assert contents[1] == {"users.acl": users, **passwords}
    assert len(passwords) == 3
    for password in passwords.values():
        assert f"#{hashlib.sha256(password.strip().encode()).hexdigest()} " in users
        assert password.strip() not in users


def test_compose_services_run_commands_that_orch_has(compose: dict[str, Any]) -> None:
    """Commands of the services built from our image parse; their ORCH_ variables are ones orch
    reads.
    """
    ours = {name: service for name, service in compose["services"].items() if "build" in service}
    for service in ours.values():
        if service["command"] != ["--help"]:
            parse(f"orch {' '.join(service['command'])}")

    assert set(ours) == {*(f"gpu{number}" for number in range(8)), "flower", "orch"}
    assert all(set(service["environment"]) <= known_variables() for service in ours.values())


def test_compose_gives_each_worker_one_gpu(compose: dict[str, Any]) -> None:
    """One service a GPU, by profiles; each has time to save a checkpoint, is started again, and
    says whether it is alive.
    """
    for number in range(8):
        worker = compose["services"][f"gpu{number}"]
        (device,) = worker["deploy"]["resources"]["reservations"]["devices"]
        counts = {int(name[5:]) for name in worker["profiles"] if name.startswith("gpus-")}
        assert device == {
            "driver": "nvidia",
            "device_ids": [str(number)],
            "capabilities": ["gpu"],
        }
        assert counts == {count for count in (2, 4, 8) if number < count}
        assert f"gpu{number}" in worker["profiles"]
        assert worker["command"] == ["worker", "--device", "cuda:0"]
        assert (worker["stop_grace_period"], worker["restart"]) == ("45s", "unless-stopped")
        assert "healthcheck" in worker


def test_compose_logs_do_not_fill_the_disk(compose: dict[str, Any]) -> None:
    """Every service has a limit."""
    limits = [service["logging"]["options"] for service in compose["services"].values()]

    assert all(set(each) == {"max-size", "max-file"} for each in limits)


def test_compose_variables_are_all_in_the_example(compose: dict[str, Any]) -> None:
    """What the compose file takes from its environment is what `.env.example` explains."""
    used = set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", (COMPOSE / "compose.yaml").read_text()))
    explained = set(
        re.findall(r"^([A-Z_]+)=", (COMPOSE / ".env.example").read_text(), re.MULTILINE)
    )

    assert used | {"COMPOSE_PROFILES"} == explained


def test_docker_compose_accepts_the_file(tmp_path: Path) -> None:
    """`docker compose config` resolves it, where Docker's compose plugin is installed (no engine is
    needed).
    """
    tool = shutil.which("docker")
    if tool is None or subprocess.run([tool, "compose", "version"], capture_output=True).returncode:
        pytest.skip("docker compose is not installed")
    variables = tmp_path / "env"
    variables.write_text((COMPOSE / ".env.example").read_text())
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
