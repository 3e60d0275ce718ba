#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks the sources: formatting by clang-format 14 (other versions format differently), and
# clang-tidy with the checks of .clang-tidy. Each file is checked once, as the release build compiles
# it; vector code as compiled for one instruction set.
#
#     sh tests/lint.sh [FILE...]     default: all files
set -eu

cd "$(dirname "$0")/.."
failed=0

if clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
    echo "== clang-format"
    git ls-files '*.c' '*.h' '*.cc' | xargs clang-format --dry-run --Werror || failed=1
else
    echo "== skipped: clang-format 14 is missing"
fi

if command -v clang-tidy >/dev/null; then
    echo "== clang-tidy"
    cmake --preset release >/dev/null
    cmake --build --preset release --target gb_build_info >/dev/null # writes a source file
    [ $# -gt 0 ] || set -- $(git ls-files '*.c')
    sources=$(mktemp)
    trap 'rm "$sources"' EXIT
    for file; do
        # Some sources are not built here, such as those for another library.
        ! grep -q "\"file\": \"$PWD/$file\"" build/release/compile_commands.json || echo "$file"
    done >"$sources"
    xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p build/release <"$sources" || failed=1
else
    echo "== skipped: clang-tidy is missing"
fi
exit $failed
