#!/usr/bin/env bash
# Whether the base backup can be read from its beginning to its end, and holds every file that its manifest names. It
# reads contents and does not compare them.
set -euo pipefail

# A command of its own: the exit code of a process substitution is lost, and tar tells of a cut by its exit code alone.
names=$(tar --list --file=/backup/base.tar)
# Listing may skip over contents; this reads them to the last byte.
tar --extract --to-stdout --file=/backup/base.tar > /dev/null

# A tar that was cut off between two files looks whole to tar: hence the manifest.
wanted=$(sed -n 's/^{ "Path": "\([^"]*\)".*/\1/p' /backup/backup_manifest)
files=$(wc -l <<<"$wanted")
if [ -z "$wanted" ]; then
  echo "the manifest names no file" >&2
  exit 1
fi
missing=$(comm -13 <(sort <<<"$names") <(sort <<<"$wanted"))
if [ -n "$missing" ]; then
  echo "not in base.tar: $(wc -l <<<"$missing") of $files files of the manifest, the first is ${missing%%$'\n'*}" >&2
  exit 1
fi
# What pg_basebackup writes last is the manifest: its own checksum ends it.
if ! grep -q '^"Manifest-Checksum": "[0-9a-f]*"}$' /backup/backup_manifest; then
  echo "the manifest has no end" >&2
  exit 1
fi
echo "$files files, as the manifest says"
