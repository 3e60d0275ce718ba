#!/bin/sh
# SPDX-License-Identifier: MIT
# `tables --check` against the committed metrics, one of which is altered: it must find that one,
# with the committed value in its place, and no other.
#
#     sh tests/bench/test_same_bits.sh GLOWBENCH
set -eu
. "$(dirname "$0")/../support/script.sh"
committed=$(cd "$tests/../../results" && pwd)/check.json

# A metric without logarithms, whose last digits are the C library's, rounded to 1/1024: that is within
# the bound of the other backends' figures, which are compared with scalar's.
awk '/"scalar": \{/ { scalar = 1 }
     scalar && !done && /"mean_iou": [0-9.]+/ {
         value = $2 + 0
         sub(/[0-9.]+/, sprintf("%.10g", int(value * 1024) / 1024))
         done = 1
     }
     { print }' "$committed" >check.json
cmp -s "$committed" check.json && complain "nothing was altered"
figure() { # of the line that differs, in the file after this sign of diff's
    diff "$committed" check.json | sed -n "s/^$1 *\"mean_iou\": \([0-9.]*\),*\$/\1/p"
}
right=$(figure '<')
wrong=$(figure '>')

run tables --check --results .
[ $code -eq 1 ] || complain "exit code $code"
grep -qxF "  horses, scalar, 1 thread: mean_iou is $right, not $wrong" out || complain "not the committed $right"
[ "$(grep -c DIFFERS out)" -eq 1 ] || complain "not one difference"
for task in horses lfw denoise depth inpaint sr vessels; do
    grep -q "^$task  *scalar " out || complain "$task was not checked"
done
finish
