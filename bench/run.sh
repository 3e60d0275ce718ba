#!/bin/sh
# SPDX-License-Identifier: MIT
# From a fresh checkout to the main job's table: installs what is missing, builds, and runs
# `glowbench run` with this script's arguments. The table goes to stdout, the rest to stderr.
#
#     sh bench/run.sh [--quick] [--out DIR]
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
sh "$root/cmake/dependencies.sh"
sh "$root/cmake/build.sh" release glowbench >&2
exec "$root/build/release/bench/glowbench" run "$@"
