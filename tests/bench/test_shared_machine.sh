#!/bin/sh
# SPDX-License-Identifier: MIT
# `glowbench bench` and `compare` say when other work shared the machine: next to a busy process on each
# CPU. Times are not checked.
#
#     sh tests/bench/test_shared_machine.sh GLOWBENCH
set -eu
. "$(dirname "$0")/../support/script.sh"

busy=
for _ in $(seq "$(nproc)"); do
    while :; do :; done &
    busy="$busy $!"
done
# shellcheck disable=SC2064,SC2086 # the processes of now; a list
trap "kill $busy; rm -r $directory" EXIT
# Switches come with the scheduler's slices: half a second of runs has dozens.
gives 0 '^Other work shared the machine while 1 of 1 rows were timed\.$' \
    bench --filter squeeze/forward/n1h8w8c4 --backend scalar --reps 25 --cache warm \
    --threads "$(nproc)" --json rows
for key in repetition_seconds cpu_seconds voluntary_switches involuntary_switches page_faults load_average; do
    grep -q "\"$key\":[0-9]" rows || complain "no $key"
done
[ ! -e /proc/sys/kernel/randomize_va_space ] || grep -q '"aslr":[012]' rows || complain "no aslr"
[ ! -e /proc/self/smaps_rollup ] || grep -q '"huge_page_bytes":[0-9]' rows || complain "no huge pages"
[ ! -e /proc/self/sched ] || grep -q '"migrations":[0-9]' rows || complain "no migrations"
gives 2 '^Other work shared the machine while 1 of 1 rows of BASE and 1 of 1 of NEW were timed\.$' compare rows rows
finish
