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

# tidy CLANG-TIDY-ARGUMENT...: checks the files on standard input as the release build compiles them,
# except those that it does not build, such as those for another library.
tidy() {
    while read -r file; do
        ! grep -q "\"file\": \"$PWD/$file\"" build/release/compile_commands.json || echo "$file"
    done | xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p build/release "$@" || failed=1
}

if command -v clang-tidy >/dev/null; then
    echo "== clang-tidy"
    cmake --preset release >/dev/null
    git ls-files '*.c' | tidy
    # Assertions state what the analyzer cannot know.
    git ls-files 'base/*.c' 'flows/files/*.c' 'tasks/data/*.c' 'tasks/images/*.c' 'tasks/metrics/*.c' |
        tidy --extra-arg=-UNDEBUG --checks='-*,clang-analyzer-core.*,clang-analyzer-unix.*'
else
    echo "== skipped: clang-tidy is missing"
fi
exit $failed
