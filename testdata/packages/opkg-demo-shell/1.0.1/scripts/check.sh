#!/bin/sh
# Checks shell scripts: syntax, first line, executable bit, and shellcheck where it is installed.
# usage: check.sh FILE...
set -eu

status=0
fault() { # fault FILE TEXT
  printf '%s: %s\n' "$1" "$2" >&2
  status=1
}

[ $# -gt 0 ] || { echo "usage: check.sh FILE..." >&2; exit 2; }
for file do
  [ -f "$file" ] || { fault "$file" "no such file"; continue; }
  IFS= read -r first <"$file" || :
  case $first in
    '#!/bin/sh'|'#!/bin/sh '*) shell=sh ;;
    '#!/usr/bin/env bash'|'#!/bin/bash') shell=bash ;;
    *) fault "$file" "the first line names neither sh nor bash"; continue ;;
  esac
  [ -x "$file" ] || fault "$file" "it is not executable"
  "$shell" -n "$file" || fault "$file" "syntax error"
  grep -q '^set -eu' "$file" || fault "$file" "no set -eu"
  if command -v shellcheck >/dev/null; then
    shellcheck --shell="$shell" "$file" || status=1
  fi
done
exit "$status"
