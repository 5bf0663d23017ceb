#!/usr/bin/env bash
# Waits until somebody has restored a cluster and told it to recover, and becomes PostgreSQL.
set -euo pipefail

until [ -e "$PGDATA/recovery.signal" ]; do sleep 0.2; done
exec postgres "$@"
