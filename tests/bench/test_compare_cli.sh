#!/bin/sh
# SPDX-License-Identifier: MIT
# `glowbench compare` on made-up files of rows, and `glowbench ab` on made-up builds: each exit code
# and what is told.
#
#     sh tests/bench/test_compare_cli.sh GLOWBENCH
set -eu

glowbench=$1
tests=$(dirname "$0")
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
failures=0

# rows FILE [NAME=VALUE...]: a file of rows.
rows() {
    file=$1
    shift
    awk -f "$tests/rows.awk" "$@" >"$file"
}

complain() {
    echo "FAILED: $*"
    cat "$folder/out" "$folder/err"
    failures=$((failures + 1))
}

# gives CODE PATTERN ARGUMENT...: the exit code, and PATTERN (grep's) in what it prints; one line of
# error unless the code is 0.
gives() {
    expected=$1
    pattern=$2
    shift 2
    code=0
    "$glowbench" "$@" >"$folder/out" 2>"$folder/err" || code=$?
    [ "$code" -eq "$expected" ] || complain "exit code $code, not $expected: $*"
    cat "$folder/out" "$folder/err" | grep -q -e "$pattern" || complain "no '$pattern': $*"
    lines=1
    [ "$expected" -ne 0 ] || lines=0
    [ "$(wc -l <"$folder/err")" -eq $lines ] || complain "not $lines lines of error: $*"
}

verdict() {
    expected=$1
    pattern=$2
    shift 2
    gives "$expected" "$pattern" compare "$@"
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
rows "$base.few" missing=2
verdict 1 '^fc/forward/n2 .* failed in NEW: it differs$' "$base.few" "$new"
# Launches of BASE that fail do not count, and hide nothing.
sed '/"fc\/forward\/n2".*"launch":3/s/"seconds":.*"error":null/"seconds":null,"median_seconds":null,"error":"it differs"/' \
    "$base" >"$base.part"
verdict 1 '^fc/forward/n2 .* failed in NEW: it differs$' "$base.part" "$new"
rows "$new" seed=2 slow=2 factor=1.05
verdict 1 '^fc/forward/n2 .* slower$' "$base.part" "$new"
rows "$new" seed=2
verdict 0 '^fc/forward/n2 .* failed in part of BASE: it differs$' "$base.part" "$new"
verdict 1 '^fc/forward/n2 .* failed in NEW: it differs$' "$new" "$base.part"

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
rows "$base.2" library='BLAS 2'
rows "$new" seed=2 library='BLAS 3'
verdict 3 'of another library: avx2 was BLAS 2 and is BLAS 3; --allow-other-build' "$base.2" "$new"
verdict 0 '^no regression' "$base.2" "$new" --allow-other-build
cat "$base.2" "$new" >"$new.both"
verdict 2 'both: row 64 is of another library' "$base.2" "$new.both" --allow-other-build

# ---- Rows of one side
rows "$new" seed=2 missing=1
verdict 2 '^conv/forward/n1 .* only in BASE$' "$base" "$new"
verdict 2 '^glowbench: cannot decide: .*/new: 1 row of BASE is not in NEW$' "$base" "$new"
rows "$new" seed=2 missing=1 slow=3 factor=1.05
verdict 1 '^regression: .* 1 of 5 rows' "$base" "$new"
rows "$new" seed=2 missing=1
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
    's/"median_seconds":0/"median_seconds":1/' \
    's/"seconds":\[[^]]*\]/"seconds":[]/' 's/"seconds":\[[^]]*\]/"seconds":[0]/' \
    's/"schema":1/"schema":2/' 's/"launch":3/"launch":-3/' 's/"launch":3/"launch":160/' \
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

# ---- Builds in pairs

# build FILE NAME=VALUE...: an executable that answers to bench with rows like these, but its launch.
build() {
    cat >"$1" <<SCRIPT
#!/bin/sh
echo "\$*" >>"$folder/calls"
while [ \$# -gt 0 ]; do
    case \$1 in
    --json) json=\$2 ;;
    --launch) launch=\$2 ;;
    esac
    shift
done
awk -f "$tests/rows.awk" launches=100 only="\$launch" $2 >>"\$json"
exit ${3:-0}
SCRIPT
    chmod +x "$1"
}

# pairs CODE PATTERN ARGUMENT...
pairs() {
    expected=$1
    pattern=$2
    shift 2
    gives "$expected" "$pattern" ab --base "$base" --new "$new" "$@"
}

build "$base" seed=1
build "$new" seed=2
pairs 0 '^no regression: each of 2 operations and 6 rows is shown to be slower by less' --seed 1
pairs 0 '^6 rows: looks after 14 28 56 112 pairs; --seed 1$' --seed 1
pairs 0 'signed ranks of the pairs of 14 and 14 launches' --seed 1
pairs 0 'signed ranks of the pairs of 13 and 13 launches' --pairs 13 --out "$folder/kept"
[ "$(wc -l <"$folder/kept/new.jsonl")" -eq 91 ] || complain "not 7 rows in 13 launches"
gives 0 '^no regression' compare "$folder/kept/base.jsonl" "$folder/kept/new.jsonl"
: >"$folder/calls"
pairs 0 '^no regression' --filter conv --reps 3 --threads 1 --cache warm --backend avx2
grep -c 'bench .*--launch 3 --resume --filter conv --backend avx2 --threads 1 --cache warm --reps 3$' \
    "$folder/calls" | grep -qx 2 || complain "not two calls of launch 3: $(cat "$folder/calls")"
pairs 2 '^glowbench: cannot decide: --pairs: 11 pairs are too few for 6 rows' --pairs 11
build "$new" 'seed=2 slow=3 factor=1.05'
pairs 1 '^conv/forward/n3 .* slower$'
pairs 1 '^glowbench: regression: .*/new: '
build "$new" 'seed=2 slow=3 factor=0.95'
pairs 0 '^conv/forward/n3 .* faster$'
build "$new" 'seed=2 control=1.05'
pairs 2 '^cannot decide: the control'
build "$new" 'seed=2 error=2' 1
pairs 1 '^fc/forward/n2 .* failed in NEW: it differs$'
pairs 1 '^regression: 1 row' --pairs 2
build "$new" 'seed=2 missing=4'
pairs 2 '^cannot decide: 1 row of BASE is not in NEW$'
pairs 2 'signed ranks of the pairs of 1 and 1 launches'
build "$new" 'seed=2 type=Debug'
pairs 3 '^glowbench: not comparable: .*/new: of another build'
pairs 0 '^no regression' --allow-other-build
build "$new" 'seed=2' 2
pairs 2 "^glowbench: launch failed: $new: it does not say why"
new=$folder/none
pairs 2 '^glowbench: launch failed: .*/none: No such file'
gives 2 '^glowbench: missing option: --new' ab --base "$base"

if [ $failures -ne 0 ]; then
    echo "$failures failures"
    exit 1
fi
