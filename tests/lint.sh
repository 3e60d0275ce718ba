#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks the sources: formatting by clang-format 14 (other versions format differently), and
# clang-tidy with the checks of .clang-tidy. The code that reads files is also checked by Clang's
# static analyzer, which takes seconds per file and is of least use in numeric code.
#
#     sh tests/lint.sh
set -eu

cd "$(dirname "$0")/.."
failed=0

if clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
    echo "== clang-format"
    git ls-files '*.c' '*.h' '*.cc' | xargs clang-format --dry-run --Werror || failed=1
else
    echo "== skipped: clang-format 14 is missing"
fi

# built PATTERN...: the files that the release build compiles, thus not those for another library.
built() {
    git ls-files "$@" | while read -r file; do
        ! grep -q "\"file\": \"$PWD/$file\"" build/release/compile_commands.json || echo "$file"
    done
}

if command -v clang-tidy >/dev/null; then
    echo "== clang-tidy"
    cmake --preset release >/dev/null
    tidy="xargs -P $(nproc) -n 4 clang-tidy --quiet -p build/release"
    built '*.c' | $tidy || failed=1
    # Assertions state what the analyzer cannot know.
    built 'base/*.c' 'flows/files/*.c' 'tasks/data/*.c' 'tasks/images/*.c' 'tasks/metrics/*.c' |
        $tidy --extra-arg=-UNDEBUG --checks='-*,clang-analyzer-core.*,clang-analyzer-unix.*' || failed=1
else
    echo "== skipped: clang-tidy is missing"
fi
exit $failed
