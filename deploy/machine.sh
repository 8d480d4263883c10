#!/usr/bin/env bash
# Makes this machine a GPU machine of orch, from the repository in which this script lies, as root.
#   deploy/machine.sh --server ADDRESS [--secrets DIR] [--no-mount] [--no-start] [--dry-run]
# --server    the machine with Redis and the shared disk
# --secrets   the folder with ca.pem and worker.password, as deploy/redis/setup.sh made them
# --no-mount  /srv/orch is there already (this is the server, or another file system is mounted)
# --no-start  install only; an upgrade uses it
# Every step may be repeated. --dry-run prints the commands and runs none.
set -euo pipefail

server='' secrets='' mount=yes start=yes dry=
while [ $# -gt 0 ]; do
    case "$1" in
    --server) server=${2:?--server needs an address} && shift 2 ;;
    --secrets) secrets=${2:?--secrets needs a folder} && shift 2 ;;
    --no-mount) mount='' && shift ;;
    --no-start) start='' && shift ;;
    --dry-run) dry=yes && shift ;;
    *) echo "error: unknown option $1. See the first lines of $0" >&2 && exit 2 ;;
    esac
done
home=$(cd "$(dirname "$0")/.." && pwd)

refuse() { echo "error: $*" >&2 && exit 2; }
run() { if [ -n "$dry" ]; then printf '%q ' "$@" && echo; else "$@"; fi; }
write() { # MODE GROUP FILE: the standard input into a file
    if [ -n "$dry" ]; then echo "write $3 (mode $1, group $2)" && cat >/dev/null; else install -m "$1" -o root -g "$2" /dev/stdin "$3"; fi
}

[ "$home" = /opt/orch ] || [ -n "$dry" ] || refuse "the units expect the repository in /opt/orch, not in $home"
[ "$(id -u)" = 0 ] || [ -n "$dry" ] || refuse "run it as root: sudo $0 ..."
[ -n "$server" ] || [ -f /etc/orch/worker.env ] || refuse "--server is missing: the machine with Redis"
if [ -n "$secrets" ]; then
    for file in ca.pem worker.password; do
        [ -f "$secrets/$file" ] || refuse "$secrets/$file is missing. Copy it from the server: /etc/redis/orch/$file"
    done
fi

packages=()
python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
[ -z "$mount" ] || command -v mount.nfs4 >/dev/null || packages+=(nfs-common)
if [ ${#packages[@]} -gt 0 ]; then
    run apt-get -qq update
    run env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install "${packages[@]}"
fi

# The same numbers on every machine: they own the files of the shared disk.
getent group orch >/dev/null || run groupadd --system --gid 1700 orch
getent passwd orch >/dev/null || run useradd --system --uid 1700 --gid orch --create-home --home-dir /var/lib/orch --shell /usr/sbin/nologin orch

if [ -n "$mount" ] && ! mountpoint -q /srv/orch; then
    run install -d /srv/orch
    # actimeo and lookupcache: a dead worker is noticed by a file that was not renewed for 8 seconds.
    line="$server:/srv/orch /srv/orch nfs4 rw,hard,nosuid,nodev,actimeo=1,lookupcache=none 0 0"
    grep -qsF " /srv/orch nfs" /etc/fstab || { cat /etc/fstab && echo "$line"; } | write 0644 root /etc/fstab.orch
    grep -qsF " /srv/orch nfs" /etc/fstab || run mv /etc/fstab.orch /etc/fstab
    run systemctl daemon-reload
    run mount /srv/orch
fi

[ -x "$home/.venv/bin/python" ] || run python3 -m venv "$home/.venv"
(cd "$home" && run .venv/bin/pip install --quiet --disable-pip-version-check -c constraints.txt '.[all]')
run ln -sf "$home/.venv/bin/orch" /usr/local/bin/orch

run install -d -m 0755 /etc/orch
if [ ! -f /etc/orch/worker.env ]; then
    sed "s/\${SERVER}/$server/" "$home/deploy/systemd/worker.env.example" | write 0644 root /etc/orch/worker.env
fi
if [ -n "$secrets" ]; then
    write 0644 root /etc/orch/ca.pem <"$secrets/ca.pem"
    write 0640 orch /etc/orch/worker.password <"$secrets/worker.password"
fi
for unit in "$home"/deploy/systemd/*.service; do
    run install -m 0644 "$unit" /etc/systemd/system/
done
run systemctl daemon-reload
if [ -n "$start" ]; then
    run systemctl enable --now orch-workers
    run sleep 5 # what cannot start at all has failed by then
    run systemctl is-active --quiet orch-workers || refuse "orch-workers does not run. Why: journalctl -u orch-workers -n 30"
    echo "orch-workers is started. Its log: journalctl -u orch-workers -f; its workers: orch workers"
fi
