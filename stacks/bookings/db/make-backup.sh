#!/usr/bin/env bash
# Makes a base backup: /backup/base.tar, its manifest, and the facts about it. The one before it stays in /backup/previous.
#
# No WAL goes into the tar: a restore takes it from the archive. pg_basebackup ends when the archive has what the backup needs.
set -euo pipefail
cd /backup

taken=$(date --utc +%Y-%m-%dT%H:%M:%SZ)
id=base-${taken//[-:]/}

rm -rf incoming
pg_basebackup --pgdata=incoming --format=tar --wal-method=none --checkpoint=fast --label="$id" --no-password

# 'START WAL LOCATION: 0/3000028 (file 000000010000000000000030)': the first segment that a restore needs.
wal=$(tar --extract --to-stdout --file=incoming/base.tar backup_label | sed -n 's/^START WAL LOCATION: .*(file \([0-9A-F]*\))$/\1/p')
cat > incoming/facts <<FACTS
id=$id
taken=$taken
bytes=$(stat --format=%s incoming/base.tar)
wal=$wal
FACTS

if [ -e facts ]; then
  rm -rf previous
  mkdir previous
  mv base.tar backup_manifest facts previous/
fi
mv incoming/base.tar incoming/backup_manifest incoming/facts .
rmdir incoming
sync .
cat facts
