#!/usr/bin/env bash
# Starts PostgreSQL as a replica of $PRIMARY. Its data is copied when the container starts for the first time; after that it is what it
# was, also when it has been promoted meanwhile.
set -euo pipefail

copied=$PGDATA/copied-from-primary
if [ ! -e "$copied" ]; then
  find "$PGDATA" -mindepth 1 -delete
  PGPASSWORD=$BACKUP_PASSWORD pg_basebackup --host="$PRIMARY" --username=backup --pgdata="$PGDATA" --checkpoint=fast --write-recovery-conf
  touch "$copied"
fi
exec postgres "$@"
