"""Disks whose server can fall silent, mounted: NFS, and one of FUSE where the kernel has no NFS.

Needs root. `NotHere` says what is missing. A mount is never left behind: it is woken, then taken
away lazily, so that nothing hangs on it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

GANESHA = """
NFS_CORE_PARAM {{
    Protocols = 4; NFS_Port = {port}; Bind_addr = 127.0.0.1;
    Enable_NLM = false; Enable_RQUOTA = false;
}}
NFSV4 {{ Graceless = true; RecoveryBackend = fs; RecoveryRoot = {folder}/recovery; }}
EXPORT {{
    Export_Id = 1; Path = {folder}/exported; Pseudo = /store; Access_Type = RW;
    Squash = No_Root_Squash; SecType = sys; FSAL {{ Name = VFS; }}
}}
"""


class NotHere(Exception):
    """Such a disk cannot be mounted here; the text says why."""


class Kind(Protocol):
    """A kind of disk."""

    name: str

    def serve(self, folder: Path) -> subprocess.Popen[bytes]:
        """Start the server of the disk, and mount it at `folder/mounted`; raises `NotHere`."""
        ...


@dataclass(frozen=True)
class Nfs:
    """NFS 4.2 as deploy/machine.sh mounts it, served by nfs-ganesha."""

    name: str = "nfs"

    def serve(self, folder: Path) -> subprocess.Popen[bytes]:
        """Start the server of the disk, and mount it; raises `NotHere`."""
        if "nfs4" not in Path("/proc/filesystems").read_text().split():
            raise NotHere("this kernel has no NFS client (nfs4 is not in /proc/filesystems)")
        _require("ganesha.nfsd", "mount.nfs4")
        (folder / "recovery").mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (folder / "conf").write_text(GANESHA.format(port=port, folder=folder))
        files = ("-f", folder / "conf", "-L", folder / "log", "-p", folder / "pid")
        server = subprocess.Popen(["ganesha.nfsd", "-F", *map(str, files)])
        options = f"port={port},vers=4.2,proto=tcp,hard,actimeo=1,lookupcache=none"
        words = ["mount", "-t", "nfs4", "-o", options, "127.0.0.1:/store", folder / "mounted"]
        for _ in range(40):
            time.sleep(0.25)
            done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
            if done.returncode == 0:
                return server
        server.kill()
        raise NotHere(f"NFS cannot be mounted: {done.stderr.strip()}")


@dataclass(frozen=True)
class Fuse:
    """A folder that a process shows again (bindfs); to the kernel it is a server like another."""

    name: str = "fuse"

    def serve(self, folder: Path) -> subprocess.Popen[bytes]:
        """Start the server of the disk, and mount it; raises `NotHere`."""
        if not Path("/dev/fuse").exists():
            raise NotHere("this kernel has no FUSE (/dev/fuse)")
        _require("bindfs")
        words = ["bindfs", "-f", str(folder / "exported"), str(folder / "mounted")]
        server = subprocess.Popen(words, stderr=subprocess.PIPE)
        for _ in range(100):
            if os.path.ismount(folder / "mounted"):
                return server
            if server.poll() is not None:
                break
            time.sleep(0.05)
        server.kill()
        raise NotHere(f"bindfs cannot mount: {server.communicate()[1].decode().strip()}")


def _require(*programs: str) -> None:
    if os.getuid() != 0:
        raise NotHere("only root can mount a disk")
    for program in programs:
        if shutil.which(program) is None:
            raise NotHere(f"there is no '{program}' here")


@dataclass
class Disk:
    """A mounted disk. While its server is gone, whoever uses it waits."""

    kind: Kind
    folder: Path
    server: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        for name in ("exported", "mounted"):
            (self.folder / name).mkdir(parents=True)
        self.server = self.kind.serve(self.folder)

    @property
    def root(self) -> Path:
        """Where it is mounted."""
        return self.folder / "mounted"

    def stop_answering(self) -> None:
        """The server is gone, and nobody is told."""
        self.server.send_signal(signal.SIGSTOP)

    def answer(self) -> None:
        """It is back."""
        self.server.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Take the disk away; its server ends after what still waits for it."""
        self.answer()
        subprocess.run(["umount", "-l", self.root], timeout=30, check=False)
        self.server.terminate()
        try:
            self.server.wait(10)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait(10)
