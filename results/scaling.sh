#!/bin/sh
# SPDX-License-Identifier: MIT
# Projects the efficiency of training on 2 to 64 nodes, as a Markdown table. Nothing here is
# measured but the arguments:
#
#     sh results/scaling.sh SECONDS PARAMETERS [LATENCY] [WINDOW]
#
# SECONDS of a step of all shards on one node ("step_seconds_median" in run.json of a run on one
# rank with as many shards as the most nodes), PARAMETERS of the model, one-way LATENCY in
# microseconds (default: 20), WINDOW in seconds from the first complete bucket of a shard's backward
# pass to its end (default: 0, no overlap).
#
# The step of R nodes takes SECONDS / R, then what is left of the exchange of sums, then that of
# values: each rank sends and receives (R - 1) / R of 4 bytes per parameter in either, at the
# network's bandwidth in both directions at once. The sums travel during the WINDOW, except the last
# of 128 buckets. Four collectives of a few bytes take log2 R latencies each, both exchanges one.
# Efficiency is the share of SECONDS / R.
set -eu

awk -v seconds="${1:?seconds of a step}" -v parameters="${2:?parameters}" -v latency="${3:-20}" \
    -v window="${4:-0}" 'BEGIN {
    split("10 25 100", rates)
    print "| nodes | step without a network | 10 Gbit/s | 25 Gbit/s | 100 Gbit/s |"
    print "|---:|---:|---:|---:|---:|"
    for (nodes = 2; nodes <= 64; nodes *= 2) {
        compute = seconds / nodes
        waits = (4 * log(nodes) / log(2) + 2) * latency * 1e-6
        printf "| %d | %.1f ms |", nodes, 1e3 * compute
        for (i = 1; i <= 3; i++) {
            exchange = (nodes - 1) / nodes * 4 * parameters / (rates[i] * 1e9 / 8)
            left = exchange > window + exchange / 128 ? exchange - window : exchange / 128
            if (window == 0)
                left = exchange
            printf " %.0f %% |", 100 * compute / (compute + left + exchange + waits)
        }
        print ""
    }
}'
