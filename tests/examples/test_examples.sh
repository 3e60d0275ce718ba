#!/bin/sh
# SPDX-License-Identifier: MIT
# What `cmake --install` gives: the program runs, every header compiles on its own, and the examples
# build with CMake's package files and with pkg-config, and run.
#
#     sh tests/examples/test_examples.sh GLOWBENCH    from its build directory
set -eu

glowbench=$1
build=$(cd "$(dirname "$glowbench")/.." && pwd)
examples=$(cd "$(dirname "$0")/../../examples" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")

export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"

# The prefix is not the configured one, and what is staged for a package must not depend on where.
DESTDIR=$work/stage cmake --install "$build" --prefix /opt/glowbench >/dev/null
prefix=$work/prefix
mv "$work/stage/opt/glowbench" "$prefix"
if [ -n "$(find "$work/stage" -type f)" ]; then
    echo "installed outside of the prefix:" && find "$work/stage" -type f && exit 1
fi

installed=$("$prefix/bin/glowbench" --version)
[ "$installed" = "$("$glowbench" --version)" ] || { echo "version: $installed" && exit 1; }

find "$prefix/include/glowbench" -name '*.h' >"$work/headers"
[ "$(wc -l <"$work/headers")" -gt 30 ] || { echo "headers are missing" && exit 1; }
while read -r header; do
    printf '#include "%s"\ntypedef int not_empty;\n' "$header" |
        "$cc" -std=c17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -x c \
            -I "$prefix/include/glowbench" -
done <"$work/headers"

cmake -S "$examples" -B "$work/cmake" -D CMAKE_C_COMPILER="$cc" -D CMAKE_PREFIX_PATH="$prefix" \
    -D CMAKE_C_FLAGS="-Wall -Wextra -Wpedantic -Werror" >/dev/null
cmake --build "$work/cmake" >/dev/null

PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name glowbench-flows.pc)")
export PKG_CONFIG_PATH
[ "glowbench $(pkg-config --modversion glowbench-flows)" = "${installed%% (*}" ] ||
    { echo "pkg-config has another version than $installed" && exit 1; }
mkdir "$work/pkg-config"
# shellcheck disable=SC2046 # the flags are words
{
    "$cc" -std=c17 "$examples/convolve.c" -o "$work/pkg-config/convolve" \
        $(pkg-config --cflags --libs glowbench-kernels)
    "$cc" -std=c17 "$examples/train_flow.c" -o "$work/pkg-config/train_flow" \
        $(pkg-config --cflags --libs glowbench-flows)
}

for built in cmake pkg-config; do
    echo "== $built"
    "$work/$built/convolve"
    "$work/$built/train_flow" "$work/flow.safetensors"
    [ -s "$work/flow.safetensors" ] || { echo "no checkpoint" && exit 1; }
    rm "$work/flow.safetensors"
done
