# shellcheck shell=sh
# Takes as many bytes of standard input as are announced ($1), and gives them to the command as its own; $2 bounds its time.
input=$(mktemp) && head -c "$1" >"$input" || exit 126
bounded=$2
shift 2
# shellcheck disable=SC2016  # the last shell expands it
exec sh -c "$bounded" sh sh -c 'exec <"$0" && rm -f "$0" && exec "$@"' "$input" "$@"
