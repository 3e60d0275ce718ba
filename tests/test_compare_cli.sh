#!/bin/sh
# SPDX-License-Identifier: MIT
# `glowbench compare` on made-up files of rows: each exit code and what is told.
#
#     sh tests/test_compare_cli.sh GLOWBENCH
set -eu

glowbench=$1
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
failures=0

# rows FILE [NAME=VALUE...]: a file of six rows and the control in nine launches, with noise of 1 %
# that depends on `seed`. Factors on times: of row `slow`, of all rows of `operation`, of the control.
rows() {
    file=$1
    shift
    awk 'BEGIN {
        launches = 9; seed = 1; slow = -1; factor = 1; control = 1; cpu = "A"; type = "Release"
        error = -1; missing = -1; operation = ""; commit = "1"
        for (i = 1; i < ARGC; i++) {
            split(ARGV[i], word, "=")
            if (word[1] == "launches") launches = word[2]
            else if (word[1] == "seed") seed = word[2]
            else if (word[1] == "slow") slow = word[2]
            else if (word[1] == "factor") factor = word[2]
            else if (word[1] == "control") control = word[2]
            else if (word[1] == "cpu") cpu = word[2]
            else if (word[1] == "type") type = word[2]
            else if (word[1] == "commit") commit = word[2]
            else if (word[1] == "error") error = word[2]
            else if (word[1] == "missing") missing = word[2]
            else if (word[1] == "operation") operation = word[2]
            else exit 1
        }
        state = seed
        for (launch = 0; launch < launches; launch++)
            for (row = 0; row <= 6; row++) {
                name = row == 6 ? "control" : row % 2 ? "conv" : "fc"
                noise = 0
                for (i = 0; i < 6; i++) {
                    state = (state * 16807) % 2147483647
                    noise += (state / 2147483647 - 0.5) * 0.014
                }
                seconds = 0.001 * (row + 1) * (1 + noise)
                if (row == slow || name == operation) seconds *= factor
                if (row == 6) seconds *= control
                if (row == missing) continue
                printf "{\"schema\":1,\"problem\":\"%s/forward/n%d\",\"operation\":\"%s\"," \
                    "\"direction\":\"forward\",\"mixes\":{},\"backend\":\"%s\",\"library\":\"\"," \
                    "\"borrowed\":false,\"threads\":1,\"cache\":\"warm\",\"launch\":%d,", \
                    name, row, name, row == 6 ? "none" : "avx2", launch
                if (row == error)
                    printf "\"seconds\":null,\"median_seconds\":null,"
                else
                    printf "\"seconds\":[%.9g],\"median_seconds\":%.9g,", seconds, seconds
                printf "\"spread\":0.01,\"flops\":1e6,\"bytes\":1e6,\"gflops\":1.0,\"gbs\":1.0," \
                    "\"wall\":\"compute\",\"peak_gflops\":2.0,\"peak_gbs\":2.0," \
                    "\"share_of_peak\":0.5,\"reorder_seconds\":null,\"error\":%s,\"cpus\":[0]," \
                    "\"load_average\":0.5,\"finished\":\"2024-05-01T12:00:00Z\"," \
                    "\"machine\":{\"cpu\":{\"model\":\"%s\"},\"caches\":[]}," \
                    "\"build\":{\"commit\":\"%s\",\"type\":\"%s\",\"compiler\":\"GNU 12\"}}\n", \
                    row == error ? "\"it differs\"" : "null", cpu, commit, type
            }
    }' "$@" >"$file"
}

complain() {
    echo "FAILED: $*"
    cat "$folder/out" "$folder/err"
    failures=$((failures + 1))
}

# verdict CODE PATTERN ARGUMENT...: compare's exit code, and PATTERN (grep's) in what it prints; one
# line of error unless the code is 0.
verdict() {
    expected=$1
    pattern=$2
    shift 2
    code=0
    "$glowbench" compare "$@" >"$folder/out" 2>"$folder/err" || code=$?
    [ "$code" -eq "$expected" ] || complain "exit code $code, not $expected: $*"
    cat "$folder/out" "$folder/err" | grep -q -e "$pattern" || complain "no '$pattern': $*"
    lines=1
    [ "$expected" -ne 0 ] || lines=0
    [ "$(wc -l <"$folder/err")" -eq $lines ] || complain "not $lines lines of error: $*"
}

base=$folder/base
new=$folder/new
rows "$base"

# ---- No regression
verdict 0 '^no regression' "$base" "$base"
rows "$new" seed=2 commit=2
verdict 0 '^no regression: none of 2 operations and 6 rows' "$base" "$new"
verdict 0 '^fc/forward  avx2, 1 thread, 3 rows  *0\.99[0-9]*  *0\.98[0-9]* .. 1\.00' "$base" "$new"
rows "$new" seed=2 slow=3 factor=0.9
verdict 0 '^conv/forward/n3 .* 0\.[89].* faster$' "$base" "$new"
rows "$new" seed=2 slow=3 factor=1.05
verdict 0 '^no regression' "$base" "$new" --threshold 8%
sed 's/"load_average":[0-9.]*/"load_average":9.0/' "$base" >"$new"
verdict 0 '^no regression' "$base" "$new"

# ---- A regression
rows "$new" seed=2 slow=3 factor=1.05
verdict 1 '^conv/forward/n3 .* 1\.0[45].* slower$' "$base" "$new"
verdict 1 '^glowbench: regression: .*/new: .* 1 of 6 rows' "$base" "$new"
rows "$new" seed=2 operation=fc factor=1.05
verdict 1 '^fc/forward  avx2, 1 thread, 3 rows .* slower$' "$base" "$new"
verdict 1 ': 1 of 2 operations and 3 of 6 rows' "$base" "$new"
rows "$new" seed=2 error=2
verdict 1 '^fc/forward/n2 .* failed in NEW: it differs$' "$base" "$new"

# ---- What cannot be decided
rows "$new" seed=2 control=1.04
verdict 2 '^glowbench: cannot decide: .*/new: the control of 1 thread, .*1\.04' "$base" "$new"
rows "$new" seed=2 control=0.96 slow=3 factor=1.2
verdict 2 '^cannot decide: the control' "$base" "$new"
rows "$new" seed=2 missing=6
verdict 2 '^cannot decide: no control row' "$base" "$new"
rows "$base.few" launches=4
rows "$new" launches=4 seed=2
verdict 2 '^cannot decide: 6 of 6 rows have too few launches, whatever the times: it takes 7$' \
    "$base.few" "$new"
rows "$new" launches=1 seed=2 slow=3 factor=2
verdict 2 '^cannot decide: 6 of 6' "$base" "$new"
rows "$new" seed=2
grep -v '"fc/forward/n2".*"launch":[4-8]' "$new" >"$new.holes"
verdict 2 '^cannot decide: 1 of 6' "$base" "$new.holes"
rows "$new" seed=2 slow=3 factor=1.05
grep -v '"fc/forward/n2".*"launch":[4-8]' "$new" >"$new.holes"
verdict 1 '^regression' "$base" "$new.holes"

# ---- Another machine or build
rows "$new" seed=2 cpu=B
verdict 3 '^glowbench: not comparable: .*/new: of another machine: cpu was {"model":"A"} and' \
    "$base" "$new"
verdict 0 '^no regression' "$base" "$new" --allow-other-machine
verdict 3 'another machine' "$base" "$new" --allow-other-build
rows "$new" seed=2 type=Debug
verdict 3 'of another build: type was "Release" and is "Debug"; --allow-other-build' "$base" "$new"
verdict 0 '^no regression' "$base" "$new" --allow-other-build
cat "$base" "$new" >"$new.both"
verdict 2 'both: row 64 is of another build' "$base" "$new.both"

# ---- Rows of one side
rows "$new" seed=2 missing=1
verdict 0 '^conv/forward/n1 .* only in BASE$' "$base" "$new"
verdict 0 '^conv/forward/n1 .* only in NEW$' "$new" "$base"
rows "$new" seed=2 error=2
verdict 0 '^fc/forward/n2 .* failed in BASE: it differs$' "$new" "$base"
sed 's/forward/inverse/g' "$base" >"$new"
verdict 2 'no row has a time in both' "$base" "$new"

# ---- Files that are none
: >"$new"
verdict 2 '^glowbench: cannot read rows: .*/new: the file holds no row' "$base" "$new"
verdict 2 '^glowbench: cannot read rows: .*/new: ' "$new" "$base"
verdict 2 '^glowbench: cannot read rows: .*/none: No such file' "$base" "$folder/none"
head -c 20000 "$base" >"$new"
verdict 2 'line [0-9]* is cut short' "$base" "$new"
for damage in 's/"median_seconds":[0-9.e-]*/"median_seconds":NaN/' \
    's/"median_seconds":[0-9.e-]*/"median_seconds":-1/' \
    's/"median_seconds":[0-9.e-]*/"median_seconds":null/' \
    's/"seconds":\[[^]]*\]/"seconds":[]/' 's/"seconds":\[[^]]*\]/"seconds":[0]/' \
    's/"schema":1/"schema":2/' 's/"launch":3/"launch":-3/' 's/"launch":3/"launch":100/' \
    's/"problem":/"trouble":/' 's/"launch":3/"launch":4/'; do
    sed "$damage" "$base" >"$new"
    verdict 2 '^glowbench: cannot \(read rows\|compare\): ' "$base" "$new"
    verdict 2 '^glowbench: cannot \(read rows\|compare\): ' "$new" "$base"
done
sed 5s/.*/x/ "$base" >"$new"
verdict 2 '^glowbench: cannot read rows: .*/new: line 5: ' "$base" "$new"

# ---- The command line
verdict 2 '^glowbench: missing operand: NEW' "$base"
for percent in x '' 0% -3% 3%% 101% nan; do
    verdict 2 '^glowbench: bad value: --threshold: ' "$base" "$base" --threshold "$percent"
done
verdict 0 '^no regression' "$base" "$base" --threshold 2.5

if [ $failures -ne 0 ]; then
    echo "$failures failures"
    exit 1
fi
