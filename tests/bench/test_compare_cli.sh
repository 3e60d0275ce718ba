#!/bin/sh
# SPDX-License-Identifier: MIT
# `glowbench compare` on made-up files of rows, and `glowbench ab` on made-up builds: each exit code
# and what is printed.
#
#     sh tests/bench/test_compare_cli.sh GLOWBENCH
set -eu
. "$(dirname "$0")/../support/script.sh"

# rows FILE [NAME=VALUE...]: a file of rows.
rows() {
    file=$1
    shift
    awk -f "$tests/rows.awk" "$@" >"$file"
}

verdict() {
    expected=$1
    pattern=$2
    shift 2
    gives "$expected" "$pattern" compare "$@"
}

# new CODE PATTERN NAME=VALUE...: the verdict on a file of such rows against `base`.
new() {
    expected=$1
    pattern=$2
    shift 2
    rows new "$@"
    verdict "$expected" "$pattern" base new
}

rows base

# ---- No regression
verdict 0 '^no regression' base base
new 0 '^no regression: no slowdown of 3 % or more found in 2 operations and 6 benchmarks' seed=2 commit=2
verdict 0 '^fc/forward  avx2, 1 thread, 3 benchmarks  *0\.99[0-9]*  *0\.98[0-9]* .. 1\.00' base new
new 0 '^conv/forward/n3 .* 0\.[89].* faster$' seed=2 slow=3 factor=0.9
rows new seed=2 slow=3 factor=1.05
verdict 0 '^no regression' base new --threshold 8%
sed 's/"load_average":[0-9.]*/"load_average":9.0/' base >new
verdict 0 '^no regression' base new

# ---- A regression
new 1 '^conv/forward/n3 .* 1\.0[45].* slower$' seed=2 slow=3 factor=1.05
verdict 1 '^glowbench: regression: new: .* 1 of 6 benchmarks' base new
new 1 '^fc/forward  avx2, 1 thread, 3 benchmarks .* slower$' seed=2 operation=fc factor=1.05
verdict 1 ': 1 of 2 operations and 3 of 6 benchmarks' base new
new 1 '^fc/forward/n2 .* failed in NEW: it differs$' seed=2 error=2
rows few missing=2
verdict 1 '^fc/forward/n2 .* failed in NEW: it differs$' few new
# Launches of BASE that fail do not count, and hide nothing.
fail='s/"seconds":.*"error":null/"seconds":null,"median_seconds":null,"error":"it differs"/'
sed "/\"fc\/forward\/n2\".*\"launch\":3/$fail" base >part
verdict 1 '^fc/forward/n2 .* failed in NEW: it differs$' part new
rows new seed=2 slow=2 factor=1.05
verdict 1 '^fc/forward/n2 .* slower$' part new
rows new seed=2
verdict 0 '^fc/forward/n2 .* failed in some launches of BASE: it differs$' part new
verdict 1 '^fc/forward/n2 .* failed in NEW: it differs$' new part

# ---- For other programs
rows new seed=2 slow=3 factor=1.05
verdict 1 '^regression' base new --json v.json --summary v.md --junit v.xml
grep -q '"verdict": "regression"' v.json || complain "JSON has no verdict"
[ "$(grep -c '"regression": true' v.json)" -eq 1 ] || complain "not one regression in JSON"
grep -q '^| `conv/forward/n3 .* | \*\*regression\*\* |$' v.md || complain "Markdown has no row"
grep -q '<testsuites .* tests="9" failures="1" errors="0" skipped="0">' v.xml ||
    complain "JUnit counts differ"
sed 1d v.xml >body.xml
awk -f "$tests/well_formed.awk" body.xml || complain "JUnit is not well-formed"
rows new seed=2 error=2
verdict 1 '^regression' base new --junit v.xml
grep -q '<failure type="regression" message="failed in NEW: it differs"/>' v.xml ||
    complain "JUnit has no failure"
rows new seed=2 control=1.04
verdict 2 '^inconclusive' base new --junit v.xml
grep -q ' failures="0" errors="1" ' v.xml || complain "inconclusive is no error in JUnit"
verdict 2 'none/v.json' base new --json none/v.json

# ---- No verdict
new 2 '^glowbench: inconclusive: new: the control benchmark with 1 thread .*1\.04' seed=2 control=1.04
new 2 '^inconclusive: the control' seed=2 control=0.96 slow=3 factor=1.2
new 2 '^inconclusive: the control benchmark with 1 thread is missing' seed=2 missing=6
rows few launches=4
rows new launches=4 seed=2
verdict 2 '^inconclusive: need at least 7 launches for 6 benchmarks; 6 have fewer$' few new
new 2 '^inconclusive: .*; 6 have fewer' launches=1 seed=2 slow=3 factor=2
rows new seed=2
grep -v '"fc/forward/n2".*"launch":[4-8]' new >holes
verdict 2 '^inconclusive: .*; 1 have fewer' base holes
rows new seed=2 slow=3 factor=1.05
grep -v '"fc/forward/n2".*"launch":[4-8]' new >holes
verdict 1 '^regression' base holes
# A resumed launch has two control rows; one failed part leaves that launch without a control.
rows few launches=1
{
    cat few
    sed -n "/\"control\"/$fail;/it differs/p" few
} >twice
rows new launches=1 seed=2
verdict 2 '^control/forward/n6 .* failed in BASE: it differs$' twice new
verdict 1 '^control/forward/n6 .* failed in NEW: it differs$' new twice

# ---- Another machine or build
new 3 '^glowbench: not comparable: new: machines differ (cpu: {"model":"A"}, now' seed=2 cpu=B
verdict 0 '^no regression' base new --allow-other-machine
# The control of another machine may differ: it then forbids no verdict.
rows new seed=2 cpu=B control=1.3 operation=conv factor=1.2
verdict 1 '^regression' base new --allow-other-machine
rows new seed=2 cpu=B control=0.7
verdict 0 '^different machines: the control benchmark' base new --allow-other-machine
rows new seed=2 cpu=B
verdict 3 'machines differ' base new --allow-other-build
new 3 'builds differ (type: "Release", now "Debug"); --allow-other-build' seed=2 type=Debug
verdict 0 '^no regression' base new --allow-other-build
cat base new >both
verdict 2 'both: row 64 is from another build' base both
rows base2 library='BLAS 2'
rows new seed=2 library='BLAS 3'
verdict 3 'libraries differ (avx2: BLAS 2, now BLAS 3); --allow-other-build' base2 new
verdict 0 '^no regression' base2 new --allow-other-build
cat base2 new >both
verdict 2 'both: row 64 is from another version of a library' base2 both --allow-other-build

# ---- Rows of one side
new 2 '^conv/forward/n1 .* only in BASE$' seed=2 missing=1
verdict 2 '^glowbench: inconclusive: new: 1 benchmark of BASE missing in NEW$' base new
verdict 0 '^conv/forward/n1 .* only in NEW$' new base
new 1 '^regression: .* 1 of 5 benchmarks' seed=2 missing=1 slow=3 factor=1.05
rows new seed=2 error=2
verdict 0 '^fc/forward/n2 .* failed in BASE: it differs$' new base
sed 's/forward/inverse/g' base >new
verdict 2 'no benchmark has a time in both' base new

# ---- Damaged files
: >new
verdict 2 '^glowbench: cannot read rows: new: no rows' base new
verdict 2 '^glowbench: cannot read rows: new: ' new base
verdict 2 '^glowbench: cannot read rows: none: No such file' base none
head -c 20000 base >new
verdict 2 'line [0-9]* is cut short' base new
for damage in 's/"median_seconds":[0-9.e-]*/"median_seconds":NaN/' \
    's/"median_seconds":[0-9.e-]*/"median_seconds":-1/' \
    's/"median_seconds":[0-9.e-]*/"median_seconds":null/' \
    's/"median_seconds":0/"median_seconds":1/' \
    's/"seconds":\[[^]]*\]/"seconds":[]/' 's/"seconds":\[[^]]*\]/"seconds":[0]/' \
    's/"schema":1/"schema":2/' 's/"launch":3/"launch":-3/' 's/"launch":3/"launch":160/' \
    's/"problem":/"trouble":/' 's/"launch":3/"launch":4/'; do
    sed "$damage" base >new
    verdict 2 '^glowbench: cannot \(read rows\|compare\): ' base new
    verdict 2 '^glowbench: cannot \(read rows\|compare\): ' new base
done
sed 5s/.*/x/ base >new
verdict 2 '^glowbench: cannot read rows: new: line 5: ' base new

# ---- Options
verdict 2 '^glowbench: missing operand: NEW' base
for percent in x '' 0% -3% 3%% 101% nan; do
    verdict 2 '^glowbench: bad value: --threshold: ' base base --threshold "$percent"
done
verdict 0 '^no regression' base base --threshold 2.5

# ---- Builds in pairs

# build FILE NAME=VALUE... [CODE]: an executable that answers to bench with such rows and exits with
# CODE.
build() {
    cat >"$1" <<SCRIPT
#!/bin/sh
echo "\$*" >>"$directory/calls"
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
    gives "$expected" "$pattern" ab --base ./old --new ./new "$@"
}

build old seed=1
rm new
build new seed=2
pairs 0 '^no regression: all of 2 operations and 6 benchmarks within 3 % of BASE' --seed 1
pairs 0 '^6 benchmarks; checking after 14, 28, 56, 112 pairs (first in about [0-9]* s); --seed 1$' --seed 1
pairs 0 'NEW / BASE, 14 pairs, Wilcoxon signed-rank test' --seed 1
pairs 0 'NEW / BASE, 13 pairs, ' --pairs 13 --out kept
[ "$(wc -l <kept/new.jsonl)" -eq 91 ] || complain "not 7 rows in 13 launches"
gives 0 '^no regression' compare kept/base.jsonl kept/new.jsonl
: >calls
pairs 0 '^no regression' --filter conv --reps 3 --threads 1 --cache warm --backend avx2
grep -c 'bench .*--launch 3 --resume --filter conv --backend avx2 --threads 1 --cache warm --reps 3$' \
    calls | grep -qx 2 || complain "not two calls of launch 3: $(cat calls)"
pairs 2 '^glowbench: bad value: --pairs: 11 is too few: 6 benchmarks need at least 12' --pairs 11
# The same command resumes: the pair that was cut is timed anew, the others are kept.
rm -r kept
touch stop
build new 'seed=2' '$([ -e stop ] && [ ${launch-0} = 5 ] && echo 130 || echo 0)'
pairs 130 '^glowbench: interrupted: kept: rerun to resume$' --pairs 13 --out kept
# As well if the signal ends the launch itself, which has not begun to handle it.
rm -r kept
build new 'seed=2' '$([ -e stop ] && [ ${launch-0} = 5 ] && kill -TERM $PPID && sleep 2; echo 0)'
pairs 130 '^glowbench: interrupted: kept: rerun to resume$' --pairs 13 --out kept
rm stop
: >calls
pairs 0 '^resuming after 5 pairs$' --pairs 13 --out kept
grep -q -e '--launch 5' calls || complain "the pair that was interrupted is not timed again"
! grep -q -e '--launch 4' calls || complain "a finished pair is timed again"
[ "$(wc -l <kept/new.jsonl)" -eq 91 ] || complain "not 7 rows in 13 launches"
: >calls
pairs 0 '^no regression' --pairs 13 --out kept
! grep -q -e '--json kept/new' calls || complain "a finished comparison is timed again"
pairs 0 '^no regression' --pairs 13 --out kept --quiet
[ "$(wc -l <out)" -eq 1 ] || complain "--quiet prints more than the verdict: $(cat out)"
pairs 2 '^glowbench: cannot compare builds: kept: it has a comparison of other builds' --filter conv --out kept
build new seed=3
pairs 2 '^glowbench: cannot compare builds: kept: it has a comparison of other builds' --out kept
build new seed=2
[ "$(wc -l <kept/new.jsonl)" -eq 91 ] || complain "not 7 rows in 13 launches"
gives 0 '^no regression: both files have the same bytes; nothing was timed$' ab --base ./old --new ./old
mkdir temporary
: >calls
TMPDIR=$directory/temporary pairs 0 '^no regression'
grep -q -e "--json $directory/temporary/glowbench-" calls || complain "rows are not in TMPDIR"
[ -z "$(ls -A temporary)" ] || complain "ab left something in TMPDIR"
TMPDIR=$directory/absent pairs 2 'absent: No such file or directory; set TMPDIR or --out$'
build new 'seed=2 slow=3 factor=1.05'
pairs 1 '^conv/forward/n3 .* slower$' --json v.json --junit v.xml
grep -q '"command": "ab"' v.json || complain "ab writes no JSON"
pairs 1 '^conv/forward/n3 .* slower$'
pairs 1 '^glowbench: regression: ./new: '
build new 'seed=2 slow=3 factor=0.95'
pairs 0 '^conv/forward/n3 .* faster$'
build new 'seed=2 control=1.05'
pairs 2 '^inconclusive: the control'
build new 'seed=2 error=2' 1
pairs 1 '^fc/forward/n2 .* failed in NEW: it differs$'
pairs 1 '^regression: 1 benchmark failed in NEW' --pairs 2
build new 'seed=2 missing=4'
pairs 2 '^inconclusive: 1 benchmark of BASE missing in NEW$'
pairs 2 'NEW / BASE, 1 pairs'
build new 'seed=2 type=Debug'
pairs 3 '^glowbench: not comparable: ./new: builds differ'
pairs 0 '^no regression' --allow-other-build
build new 'seed=2' 2
pairs 2 '^glowbench: launch failed: ./new: exited without an error message'
: >calls
gives 2 '^glowbench: cannot run: ./none: No such file' ab --base ./old --new ./none
[ ! -s calls ] || complain "BASE was run although NEW cannot be"
gives 2 '^glowbench: missing option: --new' ab --base ./old
: >calls
build new seed=2
pairs 0 '^no regression' --pairs 12 --label here --precision bf16 --checkpoint own
grep -q -e '--label here --precision bf16 --checkpoint own' calls || complain "ab does not pass bench's options on"

# ---- Layouts of two builds

# layouts NAME SEED FACTOR FACTOR: twelve builds NAME.1 ..., whose row 3 is slower by the factors in
# turn; $list is their names.
layouts() {
    list=
    for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
        factor=$3
        [ $((i % 2)) -eq 0 ] || factor=$4
        build "./$1.$i" "seed=$(($2 + i)) slow=3 factor=$factor"
        list=$list${list:+,}./$1.$i
    done
}

layouts old 100 1 1
old=$list
layouts new 200 1.005 0.985
: >calls
gives 0 '^layout: ratios of 12 layouts of each build differ by' ab --base "$old" --new "$list" --json v.json --seed 1
grep -q '^Time ratio NEW / BASE, 24 pairs, Wilcoxon signed-rank test of 12 layouts$' out ||
    complain "layouts are not tested"
[ "$(grep ' \.\. \|99 %' out | awk 'length > 80' | wc -l)" -eq 0 ] || complain "a table is wider than 80 columns"
grep -q '"layouts": 12' v.json || complain "JSON does not say how many layouts"
grep -q '"layout_deviation": 0.0[12]' v.json || complain "JSON does not say what is layout"
[ "$(grep -c -e '--launch 12 ' calls)" -eq 2 ] || complain "not a pair of each launch"
layouts new 200 1.09 1.08
gives 1 ' 1\.0[89]. .* slower$' ab --base "$old" --new "$list"
gives 0 '^no regression: both files have the same bytes' ab --base "$old" --new "$old"
gives 2 '^glowbench: bad value: --base: 2 layouts are too few: 6 benchmarks need at least 12$' \
    ab --base ./old.1,./old.2 --new ./new.1,./new.2
gives 2 '^glowbench: bad value: --pairs: 11 is too few: 6 benchmarks need at least 24$' \
    ab --base "$old" --new "$list" --pairs 11
gives 2 '^glowbench: bad value: --new: --base has 12 layouts, --new 2: they run in pairs$' \
    ab --base "$old" --new ./new.1,./new.2
gives 2 '^glowbench: bad value: --base: ./old.1 has the same bytes as ./old.1: it is not another' \
    ab --base ./old.1,./old.1 --new ./new.1,./new.2
gives 2 '^glowbench: cannot run: ./none: No such file' ab --base ./old.1,./none --new ./new.1,./new.2
finish
