# shellcheck shell=sh
# Runs "$@" for as long as somebody holds standard input: at its end, or at a line of it, the whole session is killed. Nothing
# but what POSIX gives a shell is used, as an image may have no `timeout` and no `sleep`. See channel.rs.
exec 3<&0 </dev/null
{
  read -r _ <&3
  # Jobs with a process group of their own first, then this one with the command in it.
  for stat in /proc/[0-9]*/stat; do
    read -r line <"$stat" || continue
    pid=${stat#/proc/}
    pid=${pid%/stat}
    # After the name, which may hold anything: state, parent, group, session.
    # shellcheck disable=SC2086
    set -- ${line##*) }
    [ "$4" = $$ ] && [ "$3" != $$ ] && kill -KILL "$pid"
  done
  kill -KILL 0
} >/dev/null 2>&1 &
"$@" 3<&-
code=$?
# What the command left running on purpose stays.
{ kill $! && wait $!; } 2>/dev/null
exit $code
