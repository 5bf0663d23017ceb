#!/bin/sh
# Makes the database while the image is built.
set -eu

mariadb-install-db --user=mysql --auth-root-authentication-method=socket --skip-test-db >/dev/null
mariadbd --skip-networking &
server=$!
until mariadb -e "SELECT 1" >/dev/null 2>&1 || ! kill -0 "$server"; do sleep 0.2; done
mariadb </usr/local/share/library/schema.sql
mariadb -e SHUTDOWN
wait "$server"
