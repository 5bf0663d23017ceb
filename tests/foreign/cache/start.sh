#!/bin/bash
set -e
exec redis-server --port "$PORT" --bind 0.0.0.0 --dir /var/lib/redis --save '' \
  --requirepass "$(cat /run/secrets/cache_password)"
