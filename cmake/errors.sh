#!/bin/sh
# SPDX-License-Identifier: MIT
# Writes ERRORS.md, the list of all errors that a user can meet, from the sources: each
# call of gb_fail, with its texts and the exit code of its status.
#
#     sh cmake/errors.sh [--check]
#
# --check: writes nothing; fails if the file is outdated
set -eu
cd "$(dirname "$0")/.."

page() {
    cat <<'END'
# Errors

<!-- Made by `sh cmake/errors.sh` from the sources: do not edit. -->

An error is one line on standard error, `glowbench: WHAT: WHERE: WHY`. WHERE names the file, the field or the option; `...` stands
for names and numbers. Exit codes: 0 done, 1 a comparison or check failed, 2 bad usage or input, 3 not comparable, 130 interrupted.
A command that runs out of memory says "out of memory" (2) with what it was doing.

| WHAT | WHY | exit code |
|---|---|---|
END
    sources=$(git ls-files 'base/*.c' 'kernels/*.c' 'flows/*.c' 'tasks/*.c' 'bench/*.c' 'bench/*.cc')
    # shellcheck disable=SC2086 # names without blanks
    grep -ho '\bgb_[a-z_]*\[\] = "[^"]*"' $sources | awk -f cmake/errors.awk constants=1 - constants=0 $sources | grep -v '	out of memory	' | LC_ALL=C sort -u |
        sed 's/|/\\|/g; s/	/ | /g; s/^/| /; s/$/ |/; s/<\([a-z!]\)/\\<\1/g'
}

if [ "${1-}" = --check ]; then
    page | cmp -s - ERRORS.md || {
        echo "ERRORS.md is outdated: sh cmake/errors.sh" >&2
        exit 1
    }
else
    page >ERRORS.md
fi
