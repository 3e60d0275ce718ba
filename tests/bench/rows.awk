# SPDX-License-Identifier: MIT
# Made-up rows of results, for tests of compare and ab: six rows and the control in each launch, with
# noise of 1 % that depends on the seed.
#
#     awk -f tests/bench/rows.awk [NAME=VALUE...]
#
# launches  how many
# only      prints only this launch, numbered from 0
# factor    of the times of row `slow`, 0 .. 5, and of all rows of `operation`, "conv" or "fc"
# control   factor of the control's times
# error     the row that failed its check; missing: the row that is not there
# seed, cpu, type, commit, date (of the commit), library

BEGIN {
    set["launches"] = 9; set["only"] = -1; set["seed"] = 1
    set["slow"] = -1; set["operation"] = ""; set["factor"] = 1; set["control"] = 1
    set["error"] = -1; set["missing"] = -1
    set["cpu"] = "A"; set["type"] = "Release"; set["commit"] = "1"; set["library"] = ""
    set["date"] = ""
    for (i = 1; i < ARGC; i++) {
        split(ARGV[i], word, "=")
        if (!(word[1] in set)) {
            print "rows.awk: unknown: " word[1] >"/dev/stderr"
            exit 1
        }
        set[word[1]] = word[2]
    }
    state = set["seed"]
    for (launch = 0; launch < set["launches"]; launch++)
        for (row = 0; row <= 6; row++) {
            seconds = seconds_of(row)
            if (row != set["missing"] && (set["only"] < 0 || launch == set["only"]))
                print_row(row, launch, seconds)
        }
}

function name_of(row) {
    return row == 6 ? "control" : row % 2 ? "conv" : "fc"
}

# A sum of six uniform numbers is nearly normal.
function noise(    i, sum) {
    for (i = 0; i < 6; i++) {
        state = (state * 16807) % 2147483647
        sum += (state / 2147483647 - 0.5) * 0.014
    }
    return sum
}

function seconds_of(row,    seconds) {
    seconds = 0.001 * (row + 1) * (1 + noise())
    if (row == set["slow"] || name_of(row) == set["operation"])
        seconds *= set["factor"]
    return row == 6 ? seconds * set["control"] : seconds
}

function print_row(row, launch, seconds,    failed) {
    failed = row == set["error"]
    printf "{\"schema\":1,\"problem\":\"%s/forward/n%d\",\"operation\":\"%s\",", name_of(row), row,
        name_of(row)
    printf "\"direction\":\"forward\",\"mixes\":{},\"backend\":\"%s\",\"library\":\"%s\",",
        row == 6 ? "none" : "avx2", row == 6 ? "" : set["library"]
    printf "\"borrowers\":[],\"threads\":1,\"cache\":\"warm\",\"launch\":%d,", launch
    if (failed)
        printf "\"seconds\":null,\"median_seconds\":null,\"error\":\"it differs\","
    else
        printf "\"seconds\":[%.9g],\"median_seconds\":%.9g,\"error\":null,", seconds, seconds
    printf "\"spread\":0.01,\"flops\":1e6,\"bytes\":1e6,\"gflops\":1.0,\"gbs\":1.0,"
    printf "\"wall\":\"compute\",\"peak_gflops\":2.0,\"peak_gbs\":2.0,\"share_of_peak\":0.5,"
    printf "\"reorder_seconds\":null,\"cpus\":[0],\"load_average\":0.5,"
    printf "\"finished\":\"2024-05-01T12:00:00Z\","
    printf "\"machine\":{\"cpu\":{\"model\":\"%s\"},\"caches\":[]},", set["cpu"]
    if (set["date"] != "")
        dated = "\"commit_date\":\"" set["date"] "\","
    printf "\"build\":{\"commit\":\"%s\",%s\"type\":\"%s\",\"compiler\":\"GNU 12\"}}\n",
        set["commit"], dated, set["type"]
}
