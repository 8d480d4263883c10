"""Hosts of a network of their own on this machine: namespaces, joined by a switch.

Each host has its own address, host name, machine id and process ids. They share the file system,
as machines with a shared folder do. Needs root and iproute2; `Network` raises `NotAllowed` where
namespaces cannot be made.
"""

from __future__ import annotations

import shutil
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ALONE = ("unshare", "--net", "--uts", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
ADDRESSES = "10.77.14."
BECOME = """
echo {name} > /proc/sys/kernel/hostname
mount --bind {machine_id} /etc/machine-id
ip link set lo up
echo ready
exec sleep infinity
"""


class NotAllowed(Exception):
    """Namespaces cannot be made here; the text says what failed."""


@dataclass
class Host:
    """A host that runs. `keeper` is its first process: with it, all of them end."""

    name: str
    address: str
    keeper: psutil.Process
    started: subprocess.Popen[str]

    def command(self, words: Sequence[str]) -> list[str]:
        """The command line that runs these words on this host."""
        enter = ["nsenter", "-t", str(self.keeper.pid), "--net", "--uts", "--mount", "--pid", "--"]
        return [*enter, *words]

    def start(
        self, words: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program on this host; its exit code is that of the process returned."""
        with log.open("ab") as output:
            return subprocess.Popen(
                self.command(words),
                env=dict(environment) if environment else None,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def die(self) -> None:
        """All its processes end at once, by SIGKILL."""
        self.keeper.kill()
        self.started.wait(20)


@dataclass
class Network:
    """A switch and the hosts that are plugged into it."""

    folder: Path
    hosts: dict[str, Host] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for program in ("unshare", "nsenter", "ip"):
            if shutil.which(program) is None:
                raise NotAllowed(f"there is no '{program}' here")
        self.switch = self._host("switch", "")
        try:
            self._on_switch("ip", "link", "add", "bridge", "type", "bridge")
            self._on_switch("ip", "link", "set", "bridge", "up")
        except NotAllowed:
            self.switch.die()
            raise

    def host(self, name: str) -> Host:
        """A new host, plugged in."""
        made = self._host(name, f"{ADDRESSES}{len(self.hosts) + 1}")
        self.hosts[name] = made
        line = ("type", "veth", "peer", "name", "eth0", "netns", str(made.keeper.pid))
        _run("ip", "link", "add", name, "netns", str(self.switch.keeper.pid), *line)
        self._on_switch("ip", "link", "set", name, "master", "bridge", "up")
        _run(*made.command(["ip", "address", "add", f"{made.address}/24", "dev", "eth0"]))
        _run(*made.command(["ip", "link", "set", "eth0", "up"]))
        return made

    def pull_cable(self, host: Host) -> None:
        """The host sees that its link is gone."""
        self._on_switch("ip", "link", "set", host.name, "down")

    def plug_in(self, host: Host) -> None:
        """Its link is back, and connected."""
        self._on_switch("ip", "link", "set", host.name, "master", "bridge", "up")

    def swallow(self, host: Host) -> None:
        """Whatever is sent to or by the host is lost, and nobody is told."""
        self._on_switch("ip", "link", "set", host.name, "nomaster")

    def close(self) -> None:
        """End all hosts with everything on them."""
        for host in [*self.hosts.values(), self.switch]:
            if host.started.poll() is None:
                host.die()

    def _on_switch(self, *words: str) -> None:
        _run(*self.switch.command(words))

    def _host(self, name: str, address: str) -> Host:
        machine_id = self.folder / f"{name}.machine-id"
        machine_id.write_text(f"{uuid.uuid4().hex}\n")
        program = BECOME.format(name=name, machine_id=machine_id)
        process = subprocess.Popen(
            [*ALONE, "sh", "-ec", program],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        if (said := process.stdout.readline().strip()) != "ready":
            process.kill()
            process.wait(20)
            raise NotAllowed(said or "a host ended at once")
        (keeper,) = psutil.Process(process.pid).children()
        return Host(name, address, keeper, process)


def inside(process: subprocess.Popen[bytes], timeout_s: float = 10.0) -> psutil.Process:
    """The program itself of what `Host.start` returned; signals are sent to it."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if children := psutil.Process(process.pid).children():
            return children[0]
        time.sleep(0.02)
    raise AssertionError("the program has not started")


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotAllowed(f"{' '.join(words)}: {done.stderr.strip()}")
