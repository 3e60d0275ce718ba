#!/bin/sh
# SPDX-License-Identifier: MIT
# Regenerates the pictures of the pages: samples of the small models of `glowbench run` on generated
# data. Bitwise identical on every machine with the same instruction set; four minutes on two cores.
#
#     sh results/pictures.sh [GLOWBENCH]
set -eu

results=$(cd "$(dirname "$0")" && pwd)
glowbench=${1:-$results/../build/release/bench/glowbench}
runs=$(mktemp -d)
trap 'rm -r "$runs"' EXIT

"$glowbench" run --out "$runs"
mkdir -p "$results/pictures"
for task in horses lfw denoise depth inpaint sr vessels; do
    "$glowbench" sample $task --checkpoint "$runs/$task/checkpoint.safetensors" --images 3 \
        --png "$results/pictures/$task.png"
done
