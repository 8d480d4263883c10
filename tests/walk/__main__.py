"""`python -m walk`: from nothing to two workers, a drain, an upgrade, by deploy/README.md alone.

Three hosts in network namespaces: the server runs the README's commands, and `deploy/hosts.sh`
does the rest over a stand-in for ssh. Redis, orch, TLS, users and scripts are real; systemd, NFS,
pip and the GPU are not (`walk.stand_ins`). Needs root, redis-server, iproute2, git, and a Python
3.11 or newer that other users may run (`--python`), with the packages of orch (`--packages`):

    export PYTHONPATH=tests:.
    python -m walk --python /usr/bin/python3 --packages .venv/lib/python3.11/site-packages
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.command_lines import ROOT
from support.hosts import Host, Network

from walk import stand_ins

OWN = ("/etc", "/opt", "/var/lib", "/usr/local/bin")
"""Folders that each host changes for itself alone."""
STUDY = (
    "submit --backbone scratch --seeds 2 --data digits --image-size 32 --weights none "
    "--precision fp32 --periods 2 --epochs-per-period 2 --json"
)


class Walk:
    """The hosts, and what the server's README commands and `hosts.sh` do there."""

    def __init__(self, folder: Path, network: Network, python: str, packages: str) -> None:
        self.folder, self.network = folder, network
        self.programs, self.disk = folder / "programs", folder / "disk"
        self.disk.mkdir()
        values = {"python": python, "packages": packages, "disk": str(self.disk)}
        stand_ins.write(self.programs, **values)
        self.hosts = {name: self._host(name, python) for name in ("server", "gpu1", "gpu2")}
        lines = [
            f'{name}) exec env PATH={self.path} {" ".join(host.command(["sh", "-c"]))} "$*" ;;'
            for name, host in self.hosts.items()
        ]
        stand_ins.write(self.programs, **values, hosts="\n".join(lines))

    @property
    def path(self) -> str:
        """PATH on the hosts."""
        return f"{self.programs}:/usr/sbin:/usr/bin:/sbin:/bin"

    def run(self, name: str, command: str, **variables: str) -> str:
        """Run a command on a host as root; ends the walk if it fails."""
        done = subprocess.run(
            self.hosts[name].command(["bash", "-c", command]),
            env={"PATH": self.path, "HOME": "/root", "LANG": "C.UTF-8", **variables},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"{name}: {command}\n{done.stdout}{done.stderr}")
        return done.stdout

    def hosts_sh(self, *words: str) -> None:
        """Run `deploy/hosts.sh` with the stand-in for ssh."""
        print(f"hosts.sh {' '.join(words)}", flush=True)
        script = str(ROOT / "deploy" / "hosts.sh")
        variables = {"PATH": self.path, "ORCH_SSH": str(self.programs / "ssh")}
        subprocess.run([script, *words], env=variables, check=True)

    def orch(self, words: str) -> str:
        """Run a command of a person who submits, on the server."""
        address = self.hosts["server"].address
        return self.run(
            "server",
            f"orch {words}",
            ORCH_STORE="/srv/orch/store",
            ORCH_BROKER_URL=f"rediss://orch-controller@{address}:6380/0",
            ORCH_BROKER_CA="/etc/redis/orch/ca.pem",
            ORCH_BROKER_PASSWORD_FILE="/etc/redis/orch/controller.password",
        )

    def until(self, words: str, wanted: Callable[[str], bool], timeout_s: float = 300) -> str:
        """Repeat a command until its output is as wanted; returns that."""
        deadline = time.monotonic() + timeout_s
        while not wanted(said := self.orch(words)):
            if time.monotonic() > deadline:
                raise SystemExit(f"orch {words} does not come to say what is expected:\n{said}")
            time.sleep(1)
        return said

    def _host(self, name: str, python: str) -> Host:
        host = self.network.host(name)
        self.hosts = {**getattr(self, "hosts", {}), name: host}
        layers = self.folder / name
        layers.mkdir()
        overlays = "; ".join(
            f"mkdir -p {layers}/{n}/up {layers}/{n}/work; mount -t overlay overlay "
            f"-o lowerdir={own},upperdir={layers}/{n}/up,workdir={layers}/{n}/work {own}"
            for n, own in enumerate(OWN)
        )
        self.run(
            name,
            f"PATH=/usr/sbin:/usr/bin; set -e; mount -t tmpfs tmpfs {layers}; {overlays}; "
            f"mount --bind {self.folder}/{name}.machine-id /etc/machine-id; "
            "mkdir -p /srv; mount -t tmpfs tmpfs /srv; mkdir -m 0777 /srv/host; "
            f"mkdir -p /opt/orch/.venv/bin; ln -s {python} /opt/orch/.venv/bin/python; "
            f"cp {self.programs}/pip {self.programs}/orch /opt/orch/.venv/bin/",
        )
        return host


def serve(walk: Walk) -> None:
    """The README's commands for the server, one by one."""
    page = (ROOT / "deploy" / "README.md").read_text().split("## The server")[1]
    commands = page.split("```sh\n")[1].split("```")[0].strip().splitlines()
    server = walk.hosts["server"]
    walk.run("server", f"git -C {ROOT} archive HEAD | tar -x -C /opt/orch")
    names = f"export SERVER={server.address} NETWORK=10.77.14.0/24; "
    for command in commands:
        print(command, flush=True)
        said = walk.run("server", names + command)
        if "systemctl restart redis-server" in command:
            words = ["setsid", "runuser", "-u", "redis", "--", "redis-server"]
            words += [
                "/etc/redis/redis.conf",
                "--daemonize",
                "no",
                "--dir",
                "/tmp",
                "--logfile",
                "",
            ]
            server.start([*words, "--pidfile", ""], walk.folder / "redis.log")
        if "install -d" in command:  # the disk that NFS would share
            walk.run(
                "server",
                f"cp -a /srv/orch/. {walk.disk}; chown orch:orch {walk.disk}; "
                f"chmod 2775 {walk.disk}; /usr/bin/mount --bind {walk.disk} /srv/orch",
            )
    print(said)


def work(walk: Walk) -> dict[str, Any]:
    """Two machines are installed, one is drained and upgraded meanwhile; the run's last status."""
    secrets = walk.folder / "secrets"
    secrets.mkdir()
    walk.run("server", f"cp /etc/redis/orch/ca.pem /etc/redis/orch/worker.password {secrets}")
    given = ("--server", walk.hosts["server"].address, "--secrets", str(secrets))
    walk.hosts_sh("install", *given, "gpu1", "gpu2")
    run = json.loads(walk.orch(STUDY))["run"]
    print(walk.until("workers", lambda said: said.count("train.") == 2))
    walk.hosts_sh("drain", "gpu1")
    print(walk.until("workers", lambda said: "idle" in said and "drained: gpu1" in said))
    walk.hosts_sh("undrain", "gpu1")
    walk.hosts_sh("upgrade", "gpu1")
    status = walk.until(f"status {run} --json", lambda said: json.loads(said)["state"] == "done")
    print(walk.orch(f"status {run} --attempts"))
    walk.hosts_sh("stop", "gpu1", "gpu2")
    print(walk.orch("workers"))
    return dict(json.loads(status))


def main() -> None:
    """Walk, and end with what came out."""
    parser = argparse.ArgumentParser(description="Follow deploy/README.md on three hosts.")
    parser.add_argument("--python", default="/usr/bin/python3")
    parser.add_argument("--packages", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="orch-walk-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        network = Network(folder)
        try:
            walk = Walk(folder, network, options.python, options.packages)
            serve(walk)
            print(f"the run is {work(walk)['state']}")
        finally:
            network.close()


if __name__ == "__main__":
    main()
