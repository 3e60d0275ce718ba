#!/bin/sh
# SPDX-License-Identifier: MIT
# For a CI job on a pull request: builds the commit BASE and this checkout alike, compares their speed
# by `glowbench ab`, and exits with its code: 0 no regression, 1 a regression, 2 inconclusive, 3 not
# comparable.
#
#     sh bench/ci.sh BASE [ARGUMENT OF ab...]
#
# Without arguments: --suite quick --budget 10min. Leaves in build/ci: verdict.json, verdict.md,
# verdict.xml (JUnit) and the rows of both builds.
set -eu

cd "$(dirname "$0")/.."
base=$1
shift
[ $# -gt 0 ] || set -- --suite quick --budget 10min
out=$PWD/build/ci
tree=$out/tree
mkdir -p "$out"
rm -rf "$out/rows" "$out"/verdict.*

# build CHECKOUT NAME: its program as build/ci/NAME. The names of both have one length, since the
# path of an executable shifts its stack.
build() {
    (cd "$1" && sh cmake/build.sh release glowbench) >"$out/$2.log" 2>&1 ||
        { cat "$out/$2.log" >&2 && exit 2; }
    cp "$1/build/release/bench/glowbench" "$out/$2"
}

if [ -e "$tree/.git" ]; then
    git -C "$tree" checkout --quiet --detach "$base"
else
    git worktree prune
    git worktree add --quiet --detach "$tree" "$base"
fi
build "$tree" base
build "$PWD" head
exec "$out/head" ab --base "$out/base" --new "$out/head" --out "$out/rows" --json "$out/verdict.json" \
    --summary "$out/verdict.md" --junit "$out/verdict.xml" "$@"
