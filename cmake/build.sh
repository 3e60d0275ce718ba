#!/bin/sh
# SPDX-License-Identifier: MIT
# Configures a preset under build/ and builds a target of it, incrementally.
#
#     sh cmake/build.sh PRESET TARGET [CMAKE ARGUMENT...]
set -eu

cd "$(dirname "$0")/.."
preset=$1
target=$2
shift 2
if command -v ninja >/dev/null; then
    export CMAKE_GENERATOR="${CMAKE_GENERATOR:-Ninja}" # read only when a build directory is new
fi
cmake --preset "$preset" "$@"
cmake --build --preset "$preset" --target "$target" --parallel "$(nproc)"
