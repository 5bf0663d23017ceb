#!/bin/sh
set -e
options="--user=mysql --bind-address=0.0.0.0 --max-connections=60 --innodb-buffer-pool-size=32M --innodb-log-file-size=8M --skip-name-resolve"
if [ ! -d /var/lib/mysql/mysql ]; then
  mariadb-install-db --user=mysql --skip-test-db --auth-root-authentication-method=socket >/dev/null
  options="$options --init-file=/schema.sql"
fi
# shellcheck disable=SC2086  # several words
exec mariadbd $options
