# What a command's first line reads, once its bash has opened the script: where the session was, and its options last.
@NEEDS@
builtin source ./traps 2>/dev/null
builtin trap - DEBUG RETURN
__firedrill_arm

# The user's EXIT trap is kept beside ours, which saves the state. A subshell has traps of its own.
trap() {
  if [[ $BASHPID != "$$" ]]; then
    if [[ "$*" == '-p EXIT' ]]; then
      [[ -z ${__firedrill_on_exit-} ]] || builtin printf 'trap -- %s EXIT\n' "${__firedrill_on_exit@Q}"
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

# Jobs of earlier commands are no children of this shell: `wait` knows them all the same.
wait() {
  { builtin local - && builtin set +eux; } 2>/dev/null
  builtin local __firedrill_name __firedrill_status=0
  if [[ $BASHPID != "$$" || ${1-} == -* ]]; then
    builtin wait "$@"
    builtin return
  fi
  if (($# == 0)); then
    builtin wait
    __firedrill_wait @RUNNING@
    builtin return 0
  fi
  for __firedrill_name; do
    case ' @KNOWN@ ' in
      *" $__firedrill_name "*) __firedrill_wait "$__firedrill_name" ;;
      *) builtin wait "$__firedrill_name" ;;
    esac
    __firedrill_status=$?
  done
  builtin return "$__firedrill_status"
}

# They are none of its jobs either, so that there is nothing left to disown. In `nohup x & disown` the job may have ended by then:
# a terminal still knows it, and this shell does not.
disown() {
  if builtin disown "$@" 2>/dev/null || [[ -n '@RUNNING@@FRESH@' || -n ${!-} ]]; then builtin return 0; fi
  builtin disown "$@"
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
  @WATCH@
  builtin return @STATUS@
} 2>/dev/null
