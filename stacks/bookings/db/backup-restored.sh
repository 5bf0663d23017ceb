#!/usr/bin/env bash
# Whether every file of the base backup is back in the data directory. A server that runs has changed them since, so
# contents are not compared, and sizes only where they cannot shrink: vacuum may cut a table short, by whole blocks and
# down to none, but a restore that broke off leaves a file without its end or none at all.
set -euo pipefail

data=/var/lib/postgresql/data
# Used up when the recovery begins, written by the restore or the server itself, or WAL, which comes and goes.
changed='^(backup_label|tablespace_map|postgresql\.auto\.conf|pg_wal/|pg_stat/|pg_stat_tmp/|pg_replslot/|pg_logical/|pg_xact/|pg_multixact/|pg_subtrans/|pg_commit_ts/|base/pgsql_tmp)'

# A running server makes and removes files while they are listed: find says so and goes on. A directory that cannot be
# listed at all leaves every file lacking, so what find says is not lost.
{
  find "$data" -name pg_wal -prune -o -type f -printf 'there\t%P\t%s\n' 2>/dev/null || true
  sed -n 's/^{ "Path": "\([^"]*\)", "Size": \([0-9]*\),.*/wanted\t\1\t\2/p' /backup/backup_manifest
} | awk -F '\t' -v changed="$changed" '
  $1 == "there" { size[$2] = $3; next }
  $2 ~ changed { next }
  { files++ }
  !($2 in size) { lacking++; first = first ? first : $2 " is not there"; next }
  # Tables and their kin grow and shrink by blocks of 8 KiB: half a block is a file that was cut off.
  $2 ~ /^(base\/[0-9]+|global)\/[0-9]+(_[a-z]+)?(\.[0-9]+)?$/ {
    if (size[$2] % 8192) { lacking++; first = first ? first : $2 " ends within a block" }
    next
  }
  size[$2] < $3 { lacking++; first = first ? first : $2 " is too short" }
  END {
    if (!files) { print "the manifest names no file"; exit 1 }
    if (lacking) { printf "%d of %d files are not as in the backup: %s\n", lacking, files, first; exit 1 }
    printf "%d files are there\n", files
  }'
