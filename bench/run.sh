#!/bin/sh
# SPDX-License-Identifier: MIT
# From a fresh checkout to the table of results: installs what is missing, builds, and runs
# `glowbench run` with the arguments given. The table goes to stdout, everything else to stderr.
#
#     sh bench/run.sh [--quick] [--out DIR]
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)

sh "$root/cmake/dependencies.sh"
mkdir -p "$root/build"
log=$root/build/release.log
[ -x "$root/build/release/bench/glowbench" ] || echo "glowbench: building, about a minute ($log)" >&2
sh "$root/cmake/build.sh" release glowbench >"$log" 2>&1 || { cat "$log" >&2 && exit 2; }
exec "$root/build/release/bench/glowbench" run "$@"
