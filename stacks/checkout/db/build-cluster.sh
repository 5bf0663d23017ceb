#!/usr/bin/env bash
# Makes the database cluster while the image is built: initdb, roles, schema, data.
set -euo pipefail
cd /usr/local/share/shop

initdb --username=postgres --encoding=UTF8 --locale=C.UTF-8 --auth-local=trust --auth-host=scram-sha-256
cp postgresql.conf pg_hba.conf "$PGDATA/"

pg_ctl --wait --options="-c listen_addresses='' -c fsync=off" start
psql -X -q -v ON_ERROR_STOP=1 --dbname=postgres --file=roles.sql
createdb --owner=shop shop
psql -X -q -v ON_ERROR_STOP=1 --dbname=shop --single-transaction --file=schema.sql --file=seed.sql
vacuumdb --quiet --all --analyze
pg_ctl --wait --mode=fast stop
# The cluster was filled without fsync, for speed; from here on it must survive a crash.
sync
