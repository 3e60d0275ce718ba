#!/bin/sh
# SPDX-License-Identifier: MIT
# `tables --check` against the committed metrics, one of which is altered: it must find that one,
# with the committed value in its place, and no other.
#
#     sh tests/bench/test_same_bits.sh GLOWBENCH
set -eu

glowbench=$1
committed=$(cd "$(dirname "$0")/../../results" && pwd)/check.json
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
cd "$folder"

complain() {
    echo "FAILED: $*"
    cat out err
    exit 1
}

# A metric without logarithms, whose last digits are the C library's.
awk '/"scalar": \{/ { scalar = 1 }
     scalar && !done && sub(/"mean_iou": [0-9.]+/, "\"mean_iou\": 0.5") { done = 1 }
     { print }' "$committed" >check.json
cmp -s "$committed" check.json && complain "nothing was altered"
right=$(diff "$committed" check.json | sed -n 's/^< *"mean_iou": \([0-9.]*\),*$/\1/p')

code=0
"$glowbench" tables --check --results . >out 2>err || code=$?
[ $code -eq 1 ] || complain "exit code $code"
grep -qxF "  horses, scalar, 1 thread: mean_iou is $right, not 0.5" out || complain "not the committed $right"
[ "$(grep -c DIFFERS out)" -eq 1 ] || complain "not one difference"
for task in horses lfw denoise depth inpaint sr vessels; do
    grep -q "^$task  *scalar " out || complain "$task was not checked"
done
