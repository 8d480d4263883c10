"""Programs that a namespace cannot have for real: systemd, NFS, packages, pip."""

from __future__ import annotations

from pathlib import Path

PROGRAMS = {
    "systemctl": """#!/bin/bash
# Runs the command line of orch-workers.service, with its variables and as its user; on a processor.
unit=/etc/systemd/system/orch-workers.service state=/srv/host
alive() { [ -e "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status"; }
case "$*" in
"enable --now orch-workers" | "start orch-workers.service")
    command=$(sed -n 's/^ExecStart=//p' $unit | sed 's/--device all/--device cpu --threads 1/')
    (
        set -a && . "$(sed -n 's/^EnvironmentFile=//p' $unit)" && set +a
        umask 0002 && cd / && export HOME=/var/lib/orch
        exec >>$state/journal 2>&1 </dev/null
        exec setsid setpriv --reuid orch --regid orch --init-groups $command
    ) &
    echo $! >$state/pid ;;
"is-active --quiet orch-workers") alive "$(cat $state/pid)" ;;
"list-units "*)
    if alive "$(cat $state/pid)"; then echo "orch-workers.service loaded active running"; fi ;;
"stop orch-workers.service")
    pid=$(cat $state/pid) && kill -TERM "$pid"
    for _ in $(seq 450); do alive "$pid" || exit 0; sleep 0.1; done
    echo "still running after 45 s" && exit 1 ;;
esac
""",
    "mount": """#!/bin/bash
grep -q 'nfs4 rw,hard' /etc/fstab && exec /usr/bin/mount --bind {disk} /srv/orch
""",
    "sudo": """#!/bin/bash
if [ "$1" = -u ]; then user=$2; shift 2; exec runuser -u "$user" -- "$@"; fi
exec "$@"
""",
    "apt-get": "#!/bin/sh\n",
    "exportfs": "#!/bin/sh\n",
    "pip": "#!/bin/sh\n",
    "orch": """#!/bin/sh
export PYTHONPATH=/opt/orch:{packages} OMP_NUM_THREADS=1
exec {python} -P -m orchestrator.cli "$@"
""",
    "ssh": """#!/bin/bash
host=$1; shift
case $host in
{hosts}
*) echo "no such host: $host" >&2; exit 255 ;;
esac
""",
}


def write(folder: Path, **values: str) -> None:
    """Write the programs into a folder, with these values filled in."""
    folder.mkdir(exist_ok=True)
    for name, text in PROGRAMS.items():
        for key, value in values.items():
            text = text.replace(f"{{{key}}}", value)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
