#!/bin/bash
# The tables lie in a file system of memory, so every start begins with a shop as it was made.
set -e
cluster=/var/lib/postgresql/cluster
as_postgres() { setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; }
rm -rf $cluster
install -d -o postgres -g postgres -m 700 $cluster /data/tables
as_postgres initdb -D $cluster --auth-local=trust --auth-host=scram-sha-256 --no-sync >/dev/null
cat >> $cluster/postgresql.conf <<CONF
listen_addresses = '*'
max_connections = 60
max_wal_size = 128MB
autovacuum = off
CONF
echo "host all all all scram-sha-256" >> $cluster/pg_hba.conf
as_postgres pg_ctl -D $cluster -o "-c listen_addresses=''" -w start >/dev/null
as_postgres psql -q -v ON_ERROR_STOP=1 -v admin="${POSTGRES_PASSWORD:?}" -f /schema.sql
as_postgres pg_ctl -D $cluster -m fast -w stop >/dev/null
exec setpriv --reuid=postgres --regid=postgres --clear-groups postgres -D $cluster
