#!/usr/bin/env bash
# Whether every file of the base backup is back in the data directory, at least as large as it was. Contents are not
# compared: a server that runs has changed them since.
set -euo pipefail

data=/var/lib/postgresql/data
# Used up when the recovery begins, or written by the restore itself.
changed='^(backup_label|tablespace_map|postgresql\.auto\.conf)'

{
  find "$data" -type f -printf 'there\t%P\t%s\n'
  sed -n 's/^{ "Path": "\([^"]*\)", "Size": \([0-9]*\),.*/wanted\t\1\t\2/p' /backup/backup_manifest
} | awk -F '\t' -v changed="$changed" '
  $1 == "there" { size[$2] = $3; next }
  $2 ~ changed { next }
  { files++ }
  !($2 in size) { lacking++; first = first ? first : $2 " is not there"; next }
  size[$2] < $3 { lacking++; first = first ? first : $2 " is too short" }
  END {
    if (!files) { print "the manifest names no file"; exit 1 }
    if (lacking) { printf "%d of %d files are not as in the backup: %s\n", lacking, files, first; exit 1 }
    printf "%d files are there\n", files
  }'
