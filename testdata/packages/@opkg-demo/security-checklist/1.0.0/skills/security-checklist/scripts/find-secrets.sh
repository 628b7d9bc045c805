#!/bin/sh
# Prints lines of tracked and staged files that look like secrets, as file:line:kind. Exit status 1 when there are any.
# It knows a few well-known shapes; it is a net with large holes, not a proof.
set -eu

cd "$(git rev-parse --show-toplevel)"
found=0

look() { # look KIND REGEX
  hits=$(git grep --cached -InE -e "$2" | cut -d: -f1,2) || return 0
  [ -n "$hits" ] || return 0
  found=1
  printf '%s\n' "$hits" | sed "s/\$/:$1/"
}

look private-key    '-----BEGIN ([A-Z]+ )?PRIVATE KEY-----'
look aws-key        '(^|[^A-Z0-9])(AKIA|ASIA)[A-Z0-9]{16}([^A-Z0-9]|$)'
look github-token   'gh[pousr]_[A-Za-z0-9]{36}'
look slack-token    'xox[abprs]-[A-Za-z0-9-]{10,}'
look url-password   '[a-z]+://[^/@: ]+:[^/@ ]{6,}@'
look assignment     '(password|passwd|secret|api_?key|token)["'\'']? *[:=] *["'\''][^"'\'' $<{]{12,}["'\'']'

exit "$found"
