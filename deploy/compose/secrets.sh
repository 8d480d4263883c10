#!/usr/bin/env bash
# Makes ./secrets: a password for each user of Redis, and the users' rights (../redis/users.acl).
# Run again, it keeps the passwords that are there. Git ignores the folder.
set -euo pipefail
cd "$(dirname "$0")"
mkdir -p secrets
rules=$(cat ../redis/users.acl)
for user in worker controller flower; do
    [ -s "secrets/$user.password" ] || openssl rand -hex 32 >"secrets/$user.password"
    digest=$(tr -d '\n' <"secrets/$user.password" | openssl dgst -sha256 -r | cut -d' ' -f1)
    rules=${rules//"#${user^^}"/"#$digest"}
done
printf '%s\n' "$rules" >secrets/users.acl
# Compose mounts them as they are: readable by the users of the containers (1000, and redis's 999);
# the folder itself is closed to other users of this machine.
chmod 0700 secrets && chmod 0644 secrets/*
echo "made deploy/compose/secrets"
