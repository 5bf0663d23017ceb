# What a command's bash reads before the command (as BASH_ENV). @DIR@ stands for the command's own directory.
# Everything of ours is called __firedrill_*, except `trap` (see pre.bash).
builtin unset -v BASH_ENV

# Writes the shell's state: status, last argument, functions in progress, command, number of pipe statuses, pipe
# statuses, positional parameters.
__firedrill_save() {
  builtin trap - DEBUG
  __firedrill_status=$1 __firedrill_options=$SHELLOPTS __firedrill_fire=
  builtin local __firedrill_line __firedrill_name "__firedrill_shopts=$BASHOPTS"
  builtin local "__firedrill_depth=$3" "__firedrill_command=$4" "__firedrill_pipes=$5"
  builtin set +efuvxkETB
  builtin set +o posix
  # Set inside BASH_ENV it would look for a debugger.
  builtin shopt -u extdebug
  builtin shopt -p >|@DIR@/parse
  builtin shopt -u nocasematch localvar_unset localvar_inherit
  {
    builtin printf 'options=%s\n' "$__firedrill_options"
    builtin printf 'depth=%s\n' "$__firedrill_depth"
    builtin printf 'last=%q\n' "$2"
    builtin printf 'job=%s\n' "${!-}"
    __firedrill_background
    builtin shift 5
    builtin printf 'pipe='
    builtin printf '%s ' "${@:1:__firedrill_pipes}"
    builtin printf '\n'
  } >|@DIR@/facts
  builtin shift "$__firedrill_pipes"
  {
    builtin printf 'builtin set --'
    if (($# > 0)); then builtin printf ' %q' "$@"; fi
    builtin printf '\n'
  } >|@DIR@/args
  builtin pwd >|@DIR@/cwd
  {
    builtin umask -p
    for ((__firedrill_line = ${#DIRSTACK[@]} - 1; __firedrill_line > 0; __firedrill_line--)); do
      builtin printf 'builtin pushd -n -- %q >/dev/null\n' "${DIRSTACK[__firedrill_line]}"
    done
    # After the `cd` that takes us back, which sets it.
    if [[ -n ${OLDPWD+set} ]]; then
      builtin printf 'OLDPWD=%q\n' "$OLDPWD"
    else
      builtin printf 'builtin unset -v OLDPWD\n'
    fi
  } >|@DIR@/place
  builtin declare -p >|@DIR@/names
  {
    # What bash sets by itself and the user may have taken away.
    builtin printf 'builtin unset -v %s\n' 'PATH SHELL TERM SHLVL HOSTNAME HOSTTYPE MACHTYPE OSTYPE IFS OPTERR OPTIND PS4'
    if ((__firedrill_depth)); then
      (__firedrill_locals; __firedrill_variables)
    else
      __firedrill_variables
    fi
  } >|@DIR@/vars
  builtin declare -F >|@DIR@/names
  while IFS= builtin read -r __firedrill_line; do
    __firedrill_name=${__firedrill_line#declare -* }
    case $__firedrill_name in __firedrill_* | disown | trap | wait) builtin continue ;; esac
    builtin declare -f -- "$__firedrill_name"
    [[ $__firedrill_line == 'declare -f '* ]] || builtin printf 'builtin %s\n' "$__firedrill_line"
  done <@DIR@/names >|@DIR@/functions
  builtin alias -p >>@DIR@/parse
  builtin printf '' >|@DIR@/onexit
  # In a terminal an EXIT trap runs when the session ends. A command that merely came to its end does not end it.
  if [[ $__firedrill_command == exit || $__firedrill_command == exit[\;\ ]* ||
    ($__firedrill_status -ne 0 && :$__firedrill_options: == *:errexit:*) ]]; then
    builtin printf 'left=yes\n' >>@DIR@/facts
    __firedrill_fire=${__firedrill_on_exit-}
  elif [[ -n ${__firedrill_on_exit-} ]]; then
    builtin printf '__firedrill_on_exit=%q\n' "$__firedrill_on_exit" >|@DIR@/onexit
  fi
  [[ :$__firedrill_shopts: != *:nocasematch:* ]] || builtin shopt -s nocasematch
}

# Background jobs of this shell: those that go on, and the exit codes of those that have ended.
__firedrill_background() {
  builtin jobs -p >|@DIR@/names
  [[ -z ${!-} ]] || builtin printf '%s\n' "$!" >>@DIR@/names
  while IFS= builtin read -r __firedrill_line; do
    if builtin kill -0 "$__firedrill_line"; then
      builtin printf 'running=%s\n' "$__firedrill_line"
    else
      builtin wait "$__firedrill_line"
      builtin printf 'done=%s %s\n' "$__firedrill_line" "$?"
    fi
  done <@DIR@/names
}

# Waits for jobs of earlier commands, whose parent is the supervisor by now.
__firedrill_wait() {
  builtin local __firedrill_line __firedrill_status=0 __firedrill_late
  for __firedrill_line; do
    __firedrill_late=0
    until [[ -e @JOBS@/$__firedrill_line ]] || ((__firedrill_late > 10)); do
      builtin kill -0 "$__firedrill_line" 2>/dev/null || __firedrill_late=$((__firedrill_late + 1))
      builtin read -r -t 0.02 <>@JOBS@/never || builtin :
    done
    __firedrill_status=127
    [[ ! -e @JOBS@/$__firedrill_line ]] || IFS= builtin read -r __firedrill_status <@JOBS@/"$__firedrill_line" || builtin :
  done
  builtin return "$__firedrill_status"
}

# Calls back for every variable that is the user's.
__firedrill_variables() {
  while IFS= builtin read -r __firedrill_line; do
    [[ $__firedrill_line == 'declare -'* ]] || builtin continue
    __firedrill_name=${__firedrill_line#declare -* }
    __firedrill_name=${__firedrill_name%%=*}
    case $__firedrill_name in
      '' | *[!A-Za-z0-9_]* | [0-9]*) builtin continue ;;
      __firedrill_* | BASH | BASHOPTS | BASHPID | BASH_ALIASES | BASH_ARG[CV]* | BASH_CMDS | BASH_COMMAND | BASH_COMPAT) builtin continue ;;
      BASH_EXECUTION_STRING | BASH_LINENO | BASH_LOADABLES_PATH | BASH_MONOSECONDS | BASH_SOURCE) builtin continue ;;
      BASH_SUBSHELL | BASH_TRAPSIG | BASH_VERSINFO | BASH_VERSION | BASH_XTRACEFD) builtin continue ;;
      COMP_* | COPROC | DIRSTACK | EPOCHREALTIME | EPOCHSECONDS | EUID | FUNCNAME | GROUPS | HISTCMD) builtin continue ;;
      LINENO | PIPESTATUS | PPID | PWD | RANDOM | SHELLOPTS | SRANDOM | UID | _) builtin continue ;;
    esac
    # The output of `declare -p` may hold lines that only look like a declaration; then there is no such variable.
    "${__firedrill_each:-__firedrill_print}" "$__firedrill_name"
  done <@DIR@/names
}

__firedrill_print() {
  builtin declare -p "$1"
}

# After `exit` inside a function its local variables are still in the way: takes them off, in a subshell. How many
# there are of a name shows when the global one is marked.
__firedrill_locals() {
  (__firedrill_each=__firedrill_count; __firedrill_variables) >|@DIR@/locals
  while IFS=' ' builtin read -r __firedrill_name __firedrill_line; do
    while ((__firedrill_line-- > 0)); do builtin unset -v "$__firedrill_name"; done
  done <@DIR@/locals
}

__firedrill_count() {
  builtin local __firedrill_n=0
  [[ ! -R $1 ]] || builtin return 0
  builtin declare -g "$1=7919" || builtin return 0
  while [[ ${!1-} != 7919 ]] && ((__firedrill_n < __firedrill_depth)); do
    builtin unset -v "$1" || builtin break
    __firedrill_n=$((__firedrill_n + 1))
  done
  if ((__firedrill_n)); then builtin printf '%s %s\n' "$1" "$__firedrill_n"; fi
}

# Says that the state is complete and gives options and status back for the user's EXIT trap.
__firedrill_finish() {
  builtin printf 'complete\n' >|@DIR@/complete
  [[ -n $__firedrill_fire ]] || builtin return "$__firedrill_status"
  builtin local __firedrill_name
  for __firedrill_name in errexit noglob nounset verbose keyword errtrace functrace braceexpand posix xtrace; do
    [[ :$__firedrill_options: != *:$__firedrill_name:* ]] || builtin set -o "$__firedrill_name"
  done
  builtin return "$__firedrill_status"
}

# Ends a command that would be another one without a variable, before it begins: one that must be `set`, `exported`, or `filled`.
__firedrill_needs() {
  case $1 in
    set) [[ ! -v $2 && $(builtin declare -p "$2" 2>/dev/null) != 'declare -'[aA]* ]] || builtin return 0 ;;
    exported) [[ -v $2 && ${!2@a} != *x* ]] || builtin return 0 ;;
    *)
      # Of an array all its values.
      builtin local "__firedrill_line=$2[*]"
      [[ -z ${!__firedrill_line-} ]] || builtin return 0
      ;;
  esac
  builtin printf '%s %s' "$1" "$2" >|@DIR@/lacks
  builtin exit @NO_VALUE@
}

# Notes a command that is about to run, while there is room; behind an empty text more ran. `$2` gives `$_` back. In the EXIT trap bash
# names the last command once more, or one of ours; under `set -T` what our functions do is named, too. What a function of the user's
# does is then known by itself, so that its call is only `NAME ()`.
__firedrill_ran() {
  case ${FUNCNAME[1]-} in __firedrill_* | disown | trap | wait) builtin return 0 ;; esac
  # With `(exit 1)` the pipe status of the command before is given back.
  case $BASH_SUBSHELL$1 in [1-9]'exit '*) builtin return 0 ;; esac
  case $1 in 'builtin return'* | 'builtin . ./pre '* | 'builtin trap - EXIT DEBUG') builtin return 0 ;; esac
  if [[ $- == *T* && ${1%%[[:space:]]*} != @(disown|trap|wait) ]] && builtin declare -F -- "${1%%[[:space:]]*}" >/dev/null; then
    builtin set -- "${1%%[[:space:]]*} ()"
  fi
  if ((__firedrill_left > 0)); then
    __firedrill_left=$((__firedrill_left - ${#1} - 1))
    if ((__firedrill_left <= 0)); then builtin set --; fi
    builtin printf '%s\0' "${1-}" >>@DIR@/ran || builtin :
  fi
  builtin return 0
}

__firedrill_arm() {
  builtin trap -- @HANDLER@ EXIT
}

{
  builtin source ./vars
  builtin shopt -s extglob
  builtin source ./functions
  builtin source ./parse
  builtin source ./onexit
} 2>/dev/null
