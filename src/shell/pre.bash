# What a command's first line reads, once its bash has opened the script: where the session was, and its options last.
builtin source ./traps 2>/dev/null
builtin trap - DEBUG RETURN
__firedrill_arm

# The user's EXIT trap is kept beside ours, which saves the state. A subshell has traps of its own.
trap() {
  if [[ $BASHPID != "$$" ]]; then
    if [[ "$*" == '-p EXIT' ]]; then
      [[ -z ${__firedrill_on_exit-} ]] || builtin printf 'trap -- %q EXIT\n' "$__firedrill_on_exit"
      builtin return 0
    fi
    builtin trap "$@"
    builtin return
  fi
  { builtin local - && builtin set +eux; } 2>/dev/null
  builtin local __firedrill_status=0 __firedrill_line
  if [[ -n ${__firedrill_on_exit-} ]]; then
    builtin trap -- "$__firedrill_on_exit" EXIT
  else
    builtin trap - EXIT
  fi
  builtin trap "$@" || __firedrill_status=$?
  # A function's end gives back an ERR trap that was taken off in it.
  [[ "$*" != '- ERR' ]] || builtin trap -- : ERR
  __firedrill_line=$(builtin trap -p EXIT)
  __firedrill_line=${__firedrill_line#trap -- }
  builtin unset -v __firedrill_on_exit
  builtin eval "builtin declare -g +x __firedrill_on_exit=${__firedrill_line% EXIT}"
  [[ -n $__firedrill_on_exit ]] || builtin unset -v __firedrill_on_exit
  __firedrill_arm
  builtin return "$__firedrill_status"
}

{ builtin cd -- @CWD@; } 2>/dev/null || {
  builtin printf 'bash: the directory %s is gone; this command runs in an empty one\n' @CWD@ >&2
  builtin cd -- @DIR@/void && PWD=@CWD@
}
{
  builtin source @DIR@/place
  # After the last `source`: it would take them for its own and give the earlier ones back.
  @ARGS@
  builtin set +o braceexpand +o hashall +o interactive-comments
  builtin set @OPTIONS@
  builtin return @STATUS@
} 2>/dev/null
