#!/bin/sh
# SPDX-License-Identifier: MIT
# `tables --check` against the committed metrics, one of which is altered: it must find that one,
# with the committed value in its place, and no other.
#
#     sh tests/bench/test_same_bits.sh GLOWBENCH
set -eu
. "$(dirname "$0")/../support/script.sh"
committed=$(cd "$tests/../../results" && pwd)/check.json

# A metric without logarithms, whose last digits are the C library's.
awk '/"scalar": \{/ { scalar = 1 }
     scalar && !done && sub(/"mean_iou": [0-9.]+/, "\"mean_iou\": 0.5") { done = 1 }
     { print }' "$committed" >check.json
cmp -s "$committed" check.json && complain "nothing was altered"
right=$(diff "$committed" check.json | sed -n 's/^< *"mean_iou": \([0-9.]*\),*$/\1/p')

run tables --check --results .
[ $code -eq 1 ] || complain "exit code $code"
grep -qxF "  horses, scalar, 1 thread: mean_iou is $right, not 0.5" out || complain "not the committed $right"
[ "$(grep -c DIFFERS out)" -eq 1 ] || complain "not one difference"
for task in horses lfw denoise depth inpaint sr vessels; do
    grep -q "^$task  *scalar " out || complain "$task was not checked"
done
finish
