#!/usr/bin/env bash
# Makes what Redis needs for orch: an authority, a certificate, users with passwords, redis.conf.
#   sudo deploy/redis/setup.sh [--folder DIR] [--port N] [--days N] ADDRESS_OR_NAME...
# The names are those by which workers reach this machine; Redis listens on those that are addresses,
# and on loopback. Run again to renew the certificate: authority and passwords stay as they are.
set -euo pipefail
umask 027

folder=/etc/redis/orch port=6380 days=825
names=()
while [ $# -gt 0 ]; do
    case "$1" in
    --folder) folder=${2:?--folder needs a folder} && shift 2 ;;
    --port) port=${2:?--port needs a number} && shift 2 ;;
    --days) days=${2:?--days needs a number} && shift 2 ;;
    -*) echo "error: unknown option $1. See the first lines of $0" >&2 && exit 2 ;;
    *) names+=("$1") && shift ;;
    esac
done
if [ ${#names[@]} = 0 ]; then
    echo "error: give the address or name by which workers reach this machine, such as 10.0.0.5" >&2
    exit 2
fi
for program in openssl redis-server; do
    if ! command -v "$program" >/dev/null; then
        echo "error: no $program here. Debian, Ubuntu: apt-get install redis-server openssl" >&2
        exit 2
    fi
done
version=$(redis-server --version | sed -E 's/.*v=([0-9]+)\..*/\1/')
if [ "$version" -lt 7 ]; then
    echo "error: Redis $version is too old: rights by key need Redis 7 (Debian 12, Ubuntu 24.04)" >&2
    exit 2
fi

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$folder" && cd "$folder"
folder=$PWD

# Loopback is in the certificate too: for Flower and for checks on this machine.
subject="DNS:localhost,IP:127.0.0.1" bind=127.0.0.1
for name in "${names[@]}"; do
    [[ $name = localhost || $name = 127.0.0.1 ]] && continue
    if [[ $name =~ ^[0-9.]+$ || $name == *:* ]]; then
        subject+=",IP:$name" bind+=" $name"
    else
        subject+=",DNS:$name"
    fi
done

if [ ! -f ca.pem ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
        -subj "/CN=orch authority" \
        -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout ca.key -out ca.pem 2>/dev/null
    chmod 0600 ca.key
fi
certificate() { # NAME EXTENSIONS: a key and a certificate of our authority
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" \
        -keyout "$1.key.new" -out "$1.csr" 2>/dev/null
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days "$days" \
        -extfile <(printf '%s\n' "$2") -out "$1.pem.new" 2>/dev/null
    mv "$1.key.new" "$1.key" && mv "$1.pem.new" "$1.pem" && rm "$1.csr"
}
certificate redis "subjectAltName=$subject"
[ -f client.pem ] || certificate client "extendedKeyUsage=clientAuth"

rules=$(cat "$here/users.acl")
for user in worker controller flower; do
    [ -s "$user.password" ] || openssl rand -hex 32 >"$user.password"
    digest=$(tr -d '\n' <"$user.password" | openssl dgst -sha256 -r | cut -d' ' -f1)
    rules=${rules//"#${user^^}"/"#$digest"}
done
printf '%s\n' "$rules" >users.acl
sed -e "s/PORT/$port/" -e "s/BIND/$bind/" -e "s#FOLDER#$folder#" "$here/redis.conf" | grep -v '^#' >redis.conf
chmod 0644 ca.pem
if [ "$(id -u)" = 0 ] && getent group redis >/dev/null; then
    chgrp redis . ./redis.* users.acl ca.pem
    chmod 0640 redis.key
fi
echo "made in $folder: redis.conf, users.acl, ca.pem, and a password for each of worker, controller, flower"
