#!/usr/bin/env bash
# Whether the base backup can be read from its beginning to its end, and holds every file that its manifest names. It
# looks at names, not at contents.
set -euo pipefail

# A tar that was cut off between two files looks whole to tar: hence the manifest.
missing=$(comm -13 \
  <(tar --list --file=/backup/base.tar | sort) \
  <(sed -n 's/^{ "Path": "\([^"]*\)".*/\1/p' /backup/backup_manifest | sort))
files=$(grep -c '"Path"' /backup/backup_manifest)
if [ -n "$missing" ]; then
  echo "not in base.tar: $(wc -l <<<"$missing") of $files files of the manifest, the first is $(head -n 1 <<<"$missing")" >&2
  exit 1
fi
# What pg_basebackup writes last is the manifest: its own checksum ends it.
grep -q '^"Manifest-Checksum": "[0-9a-f]*"}$' /backup/backup_manifest
echo "$files files, as the manifest says"
