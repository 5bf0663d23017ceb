#!/bin/sh
# OpenStack Swift on one disk, with its S3 API.
set -e
cd /etc/swift
for ring in account:6202 container:6201 object:6200; do
  name=${ring%:*}
  swift-ring-builder "$name.builder" create 4 1 1 >/dev/null
  swift-ring-builder "$name.builder" add "r1z1-127.0.0.1:${ring#*:}/disk" 1 >/dev/null
  swift-ring-builder "$name.builder" rebalance >/dev/null
done
memcached -u memcache -l 127.0.0.1 -m 16 &
mkdir -p /srv/node/disk
chown -R swift: /srv/node /etc/swift
for server in account container object; do
  setpriv --reuid=swift --regid=swift --clear-groups "swift-$server-server" "/etc/swift/$server-server.conf" &
done
exec setpriv --reuid=swift --regid=swift --clear-groups swift-proxy-server /etc/swift/proxy-server.conf
