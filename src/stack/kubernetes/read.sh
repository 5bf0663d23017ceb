# shellcheck shell=sh
# Prints the objects that kubectl ($1, with its arguments behind it) reads at a path or an address ($0).
kustomize='' depth=1
for arg; do
  case $arg in
  --kustomize=*) kustomize=1 ;;
  --recursive | --recursive=[1tT]*) depth=99 ;;
  --recursive=*) depth=1 ;;
  esac
done
# No name is an option, or a variable for awk.
at=$0
case $at in /*) ;; *) test ! -e "./$at" || at=./$at ;; esac
test -z "$kustomize" || exec "$1" kustomize "$at"
case $at in http://* | https://*) exec curl -fsSgL --connect-timeout 10 -- "$at" ;; esac
test -d "$at" || exec cat -- "$at"
find "$at" -maxdepth "$depth" ! -type d \( -name '*.json' -o -name '*.yaml' -o -name '*.yml' \) -print0 | sort -z |
  xargs -0r awk 'FNR == 1 { print "---" } 1'
