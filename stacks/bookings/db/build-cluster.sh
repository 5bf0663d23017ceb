#!/usr/bin/env bash
# Makes the database cluster while the image is built: initdb, roles, schema, data.
set -euo pipefail
cd /usr/local/share/bookings

initdb --username=postgres --encoding=UTF8 --locale=C.UTF-8 --wal-segsize=1 --auth-local=trust --auth-host=scram-sha-256
cp postgresql.conf pg_hba.conf "$PGDATA/"

pg_ctl --wait --options="-c listen_addresses='' -c fsync=off -c archive_mode=off -c log_statement=none" start
psql -X -q -v ON_ERROR_STOP=1 --dbname=postgres --file=roles.sql
createdb --owner=bookings bookings
psql -X -q -v ON_ERROR_STOP=1 --dbname=bookings --single-transaction --file=schema.sql --file=seed.sql
# Frozen: no vacuum has a reason to write to these pages again.
vacuumdb --quiet --all --freeze --analyze
pg_ctl --wait --mode=fast stop
# The cluster was filled without fsync, for speed; from here on it must survive a crash.
sync
