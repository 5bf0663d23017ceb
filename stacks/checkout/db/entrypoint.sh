#!/usr/bin/env bash
# Takes the passwords from the environment on the first start, then becomes PostgreSQL.
set -euo pipefail

marker=$PGDATA/passwords-set

# SQL's quoting of a string.
quoted() { printf "'%s'" "${1//\'/\'\'}"; }

if [ "${1:-}" = postgres ] && [ ! -e "$marker" ]; then
  : "${POSTGRES_PASSWORD:?is not set}" "${SHOP_PASSWORD:?is not set}" "${ONCALL_PASSWORD:?is not set}"
  # Single-user mode: no server listens before its passwords are set.
  postgres --single -c log_min_messages=warning postgres >/dev/null <<SQL
ALTER ROLE postgres PASSWORD $(quoted "$POSTGRES_PASSWORD")
ALTER ROLE shop PASSWORD $(quoted "$SHOP_PASSWORD")
ALTER ROLE oncall PASSWORD $(quoted "$ONCALL_PASSWORD")
SQL
  touch "$marker"
fi

exec "$@"
