#!/bin/sh
# Prints the commits between two points, oldest first: short hash, subject, and in brackets the number of files.
# usage: commits.sh [FROM [TO]]   FROM: the last tag before TO unless given; TO: HEAD
set -eu

to=${2:-HEAD}
if [ $# -ge 1 ]; then
  from=$1
elif ! from=$(git describe --tags --abbrev=0 "$to^" 2>/dev/null); then
  from=
fi

git log --reverse --no-merges --format='%h %s' "${from:+$from..}$to" -- |
while read -r hash subject; do
  files=$(git diff-tree --no-commit-id --name-only -r --root "$hash" | wc -l | tr -d ' ')
  printf '%s %s [%s]\n' "$hash" "$subject" "$files"
done
