#!/bin/sh
# archive_command: `archive-wal %p %f`. A file appears in the archive under its name once it is whole and on the disk, and
# is never overwritten.
set -eu
from=$1
name=$2

if test -e "/archive/$name"; then
  # A server that died before it had noted the copy offers the file again. Another one of that name is an error.
  cmp -s "$from" "/archive/$name"
  exit
fi
cp "$from" "/archive/.$name.new"
sync "/archive/.$name.new"
mv "/archive/.$name.new" "/archive/$name"
sync /archive
