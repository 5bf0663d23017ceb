#!/usr/bin/env bash
# Takes the passwords from the environment on the first start, then becomes PostgreSQL. A restored cluster has them.
set -euo pipefail

marker=$PGDATA/passwords-set

# SQL's quoting of a string.
quoted() { printf "'%s'" "${1//\'/\'\'}"; }

if [ "${1:-}" = postgres ] && [ -e "$PGDATA/PG_VERSION" ] && [ ! -e "$marker" ]; then
  : "${POSTGRES_PASSWORD:?is not set}" "${BOOKINGS_PASSWORD:?is not set}" "${BACKUP_PASSWORD:?is not set}"
  # Single-user mode: no server listens before its passwords are set. They stay out of the log.
  postgres --single -c log_min_messages=warning -c log_statement=none postgres >/dev/null <<SQL
ALTER ROLE postgres PASSWORD $(quoted "$POSTGRES_PASSWORD")
ALTER ROLE bookings PASSWORD $(quoted "$BOOKINGS_PASSWORD")
ALTER ROLE backup PASSWORD $(quoted "$BACKUP_PASSWORD")
SQL
  touch "$marker"
fi

exec "$@"
