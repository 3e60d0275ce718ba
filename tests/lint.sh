#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks the sources: formatting by clang-format 14 (other versions format differently), width, and
# clang-tidy with the checks of .clang-tidy.
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

# clang-format leaves comments alone.
echo "== lines beyond 100 columns"
! git ls-files '*.c' '*.h' '*.cc' | LC_ALL=C.UTF-8 xargs grep -nE '.{101}' || failed=1

# built PATTERN...: the files that the release build compiles, thus not those for another library.
built() {
    git ls-files "$@" | while read -r file; do
        ! grep -q "\"file\": \"$PWD/$file\"" build/release/compile_commands.json || echo "$file"
    done
}

echo "== ERRORS.md"
sh cmake/errors.sh --check || failed=1

if command -v clang-tidy >/dev/null; then
    echo "== clang-tidy"
    cmake --preset release >/dev/null
    built '*.c' | xargs -P "$(nproc)" -n 4 clang-tidy --quiet -p build/release || failed=1
else
    echo "== skipped: clang-tidy is missing"
fi
exit $failed
