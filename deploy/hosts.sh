#!/usr/bin/env bash
# Does the steps of deploy/README.md on several machines over ssh, one after another.
#   deploy/hosts.sh [--dry-run] COMMAND [OPTION...] HOST...
# install   copy this repository and the secrets, then run deploy/machine.sh there; its options follow:
#           deploy/hosts.sh install --server 10.0.0.5 --secrets /etc/redis/orch gpu1 gpu2
# upgrade   stop what runs of orch (trainings are handed over), copy this repository, install, start it
# drain, undrain, stop, start, status, doctor
# You need to be root there, or to have sudo without a password. ORCH_SSH replaces `ssh`.
# A machine on which a step fails is named at the end (exit code 1); the others go on.
set -uo pipefail

dry=''
[ "${1:-}" = --dry-run ] && dry=yes && shift
command=${1:-}
[ $# -gt 0 ] && shift
options=() secrets='' hosts=()
while [ $# -gt 0 ]; do
    case "$1" in
    --secrets) secrets=${2:?--secrets needs a folder} && shift 2 ;;
    --server) options+=("$1" "${2:?--server needs an address}") && shift 2 ;;
    --no-mount | --no-start) options+=("$1") && shift ;;
    -*) echo "error: unknown option $1. See the first lines of $0" >&2 && exit 2 ;;
    *) hosts+=("$1") && shift ;;
    esac
done
case "$command" in
install | upgrade | drain | undrain | stop | start | status | doctor) ;;
*) echo "error: '$command' is no command. Commands: install, upgrade, drain, undrain, stop, start, status, doctor" >&2 && exit 2 ;;
esac
[ ${#hosts[@]} -gt 0 ] || { echo "error: name at least one host" >&2 && exit 2; }
if [ -n "$secrets" ]; then
    for file in ca.pem worker.password; do
        [ -r "$secrets/$file" ] || { echo "error: $secrets/$file cannot be read" >&2 && exit 2; }
    done
fi

home=$(cd "$(dirname "$0")/.." && pwd)
read -r -a ssh <<<"${ORCH_SSH:-ssh -o BatchMode=yes -o ConnectTimeout=10}"
as_orch='set -a; . /etc/orch/worker.env; set +a;'

there() { # HOST COMMAND: run it as root on the host
    local words
    # shellcheck disable=SC2016 # expanded there
    words='if [ "$(id -u)" = 0 ]; then set -- sh -ec; else set -- sudo -n sh -ec; fi; "$@" '$(printf '%q' "$2")
    if [ -n "$dry" ]; then echo "[$1] $2"; else "${ssh[@]}" "$1" "$words"; fi
}
# shellcheck disable=SC2016 # expanded there
root='if [ "$(id -u)" = 0 ]; then set --; else set -- sudo -n; fi;'
copy() { # HOST: this repository to /opt/orch there, without what git ignores
    local files="git -C $home ls-files -z"
    git -C "$home" rev-parse HEAD >/dev/null 2>&1 || files="cd $home && find . -type f -not -path './.venv/*' -print0"
    if [ -n "$dry" ]; then echo "[$1] copy $home to /opt/orch"; else
        (cd "$home" && eval "$files" | tar --null --files-from - --ignore-failed-read -cz) |
            "${ssh[@]}" "$1" "$root \"\$@\" mkdir -p /opt/orch && cd /opt/orch &&
                \"\$@\" rm -rf build jobs models workers orchestrator deploy && \"\$@\" tar -xz --no-same-owner"
    fi
}
hand_over() { # HOST: the secrets, which appear on no command line
    [ -n "$secrets" ] || return 0
    if [ -n "$dry" ]; then echo "[$1] copy ca.pem and worker.password to /etc/orch/new"; else
        tar -C "$secrets" -cz ca.pem worker.password |
            "${ssh[@]}" "$1" "$root \"\$@\" install -d -m 0700 /etc/orch /etc/orch/new &&
                \"\$@\" tar -xz --no-same-owner -C /etc/orch/new"
    fi
}
machine() { # HOST OPTION...
    local host=$1 words
    shift
    words=$(printf '%q ' /opt/orch/deploy/machine.sh "$@")
    if [ -n "$secrets" ]; then words+=" --secrets /etc/orch/new && rm -r /etc/orch/new"; fi
    there "$host" "$words"
}
name="\$(hostname | tr -c 'A-Za-z0-9-\n' -)" # how its workers call the host
orch() { # HOST WORDS: an orch command there, as the user orch
    there "$1" "$as_orch runuser -u orch -- /opt/orch/.venv/bin/orch $2"
}
# What runs is noted until it runs again: an upgrade that failed may be repeated.
units=/run/orch-upgrade.units
stop_all="[ -s $units ] || systemctl list-units --plain --no-legend 'orch-*' | cut -d' ' -f1 >$units;"
stop_all+=" xargs -r systemctl stop <$units"
start_again="xargs -r systemctl start <$units && rm $units"
each() { # HOST
    case "$command" in
    install) copy "$1" && hand_over "$1" && machine "$1" "${options[@]}" ;;
    upgrade)
        there "$1" "$stop_all" && copy "$1" && hand_over "$1" &&
            machine "$1" --no-mount --no-start && there "$1" "$start_again"
        ;;
    drain | undrain) orch "$1" "$command \"$name\"" ;;
    stop | start) there "$1" "systemctl $command orch-workers" ;;
    status) there "$1" "systemctl --no-pager --lines=5 status orch-workers" ;;
    doctor) orch "$1" doctor ;;
    esac
}

failed=()
for host in "${hosts[@]}"; do
    echo "== $host: $command"
    each "$host" || failed+=("$host")
done
[ ${#failed[@]} = 0 ] || { echo "error: $command failed on ${failed[*]}; see above" >&2 && exit 1; }
