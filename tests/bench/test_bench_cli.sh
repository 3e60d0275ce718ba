#!/bin/sh
# SPDX-License-Identifier: MIT
# `glowbench bench`: the rows that it writes, what it refuses, and that a sweep that was killed,
# interrupted or cut resumes. Times are not checked.
#
#     sh tests/bench/test_bench_cli.sh GLOWBENCH
set -eu
. "$(dirname "$0")/../support/script.sh"

# works ARGUMENT...: exit code 0, nothing on stderr.
works() {
    gives 0 '' bench "$@"
}

# fails CODE PATTERN ARGUMENT...: that exit code and an error; no file "new" is left.
fails() {
    expected=$1
    pattern=$2
    shift 2
    gives "$expected" "^glowbench: $pattern" bench "$@"
    [ ! -e new ] || complain "leaves something: $*"
}

# rows FILE N [PATTERN]: the file has N rows (with PATTERN).
rows() {
    [ "$(grep -c -e "${3-.}" "$1" || true)" -eq "$2" ] || complain "not $2 rows ${3-} in $1"
}

problem=squeeze/forward/n1h8w8c4
other=squeeze/inverse/n1h8w8c4
quick="--threads 1 --reps 2 --cache warm --backend scalar"

# What is listed is taken back, and nothing else is found by it.
works --list --kind kernels
while read -r line; do
    printf '%s\n' "$line"
done <out >all
[ -s all ] || complain "nothing listed"
for line in $(sed -n '1p;50p;$p' all); do
    works --list --filter "$line"
    [ "$(cat out)" = "$line" ] || complain "not $line alone"
done
works --list --kind kernels --filter '^conv/(forward|backward_data)/'
[ "$(cut -d/ -f1,2 out | sort -u | tr '\n' ' ')" = 'conv/backward_data conv/forward ' ] ||
    complain "not what the filter says"

# One row and that of the control.
# shellcheck disable=SC2086 # options without blanks
set -- --filter "$problem" $quick
works "$@" --json one --gbench-json google
rows one 2
rows one 1 "\"problem\":\"$problem\",.*\"backend\":\"scalar\",.*\"threads\":1,\"cache\":\"warm\""
rows one 1 '"problem":"control/run/mix".*"backend":"none"'
grep -q "^n1h8w8c4 " out || complain "no table"
[ "$(tail -n 1 out)" = 'PASS: 1 row timed; shorter is better, speed 1.00 the fastest' ] || complain "no verdict"
grep -q "\"name\": \"$problem/scalar/warm/" google || complain "not in Google Benchmark's JSON"
[ "$(tail -c 2 google)" = '}' ] || complain "Google Benchmark's JSON has no end"

# With --quiet the verdict is all that is printed, of several launches as well; --verbose adds a line per row.
works "$@" --quiet
[ "$(cat out)" = 'PASS: 1 row timed; shorter is better, speed 1.00 the fastest' ] || complain "--quiet: $(cat out)"
works "$@" --quiet --launches 2 --json quiet
[ "$(cat out)" = 'PASS: 2 rows timed; shorter is better, speed 1.00 the fastest' ] || complain "--quiet: $(cat out)"
works "$@" --verbose
grep -q "^$problem, scalar, 1 thread, warm: [0-9.e-]* ms +- [0-9.]* %, [0-9]* % of peak\$" out || complain "--verbose: $(cat out)"

# What Google Benchmark takes from the environment changes no row.
BENCHMARK_REPORT_AGGREGATES_ONLY=true BENCHMARK_REPETITIONS=1 "$glowbench" bench "$@" --json aggregates >out 2>err ||
    complain "fails with Google Benchmark's variables"
rows aggregates 2 '"seconds":\[[0-9.e-]*[1-9][0-9.e-]*,'

# Nothing is timed twice, nothing overwritten.
cp one before
fails 2 'cannot start a sweep: one: it has results already: add --resume ' "$@" --json one
cmp -s one before || complain "a refused sweep wrote"
works "$@" --json one --resume
cmp -s one before || complain "a finished sweep was not left alone"
works --filter "$other" --json one --resume "$@" --filter "$other"
code=0
flock one.lock "$glowbench" bench "$@" --json one --resume >out 2>err || code=$?
[ "$code" -eq 2 ] && grep -q 'one: in use by another process$' err || complain "a locked file was used"
rm -f one.lock
rows one 4
rows one 2 squeeze

# A row cut by a kill is dropped, reported, and timed again: here the control, then the only row.
head -n 1 one >cut
head -n 2 one | tail -n 1 | head -c 100 >>cut
works "$@" --json cut --resume
grep -q '^cut: dropped the incomplete last line' out || complain "the loss is not reported"
rows cut 2
head -c 100 one >cut
works "$@" --json cut --resume
rows cut 2
printf '{}\n' >damaged
fails 2 "cannot read rows: damaged: line 1: 'schema'" "$@" --json damaged --resume
sed 's/"commit":"/&x/' one >foreign
fails 3 'cannot resume: foreign: row 1 is from another build' "$@" --json foreign --resume

# Launches keep their numbers.
works "$@" --json launches --launches 2
rows launches 4
rows launches 2 '"launch":0'
rows launches 1 "$problem.*\"launch\":1"
grep -q "^n1h8w8c4 " out || complain "no table of all launches"

# Forecasts, budgets and suites: what is selected, without timing it.
works --suite quick --list
grep -v '^\(layer\|step\|sample\)/' out | cut -d/ -f1,2 | sort >quick
cut -d/ -f1,2 all | sort -u | diff - quick || complain "quick is not one kernel of each direction"
for model in cglow cnf dncnn fcn ffn srcnn factored; do
    [ "$(grep -c "^\(step/train\|sample/inverse\)/$model-" out)" -eq 2 ] ||
        complain "not a step and a sample of $model"
done
cp out quick
works --suite standard --list
[ "$(sort quick out | uniq -d | wc -l)" -eq "$(wc -l <quick)" ] || complain "standard lacks some of quick"
works --suite full --list --kind kernels
diff out all || complain "full is not all"
fails 2 'bad value: --suite: unknown suite "fast"; suites: quick, standard, full' --suite fast
works --forecast --suite quick
grep -q '^[0-9]* rows, about [0-9.]* s, of which checks [0-9.]* s (' out || complain "no forecast"
works --forecast --kind kernels --budget 20s
[ "$(sed 's/.*about \([0-9]*\)\..*/\1/' out)" -le 25 ] || complain "the budget is not kept: $(cat out)"
for budget in x 5m -1 0 nan 1e9h; do
    fails 2 'bad value: --budget: ".*" is not a time such as 90s, 5min or 2h' "--budget=$budget"
done
works --filter '^squeeze/forward/' $quick --budget 1s
grep -q '^bench\|rows to time' out || complain "nothing timed"

# Bad options.
fails 2 'bad value: --model: no model name starts with "foo"; models: cglow' --model cglow,foo
fails 2 'unknown backend: nothing: backends: ' --backend scalar,nothing
fails 2 'bad value: --threads: "0" is not in 1 .. 256' --threads 1,0
fails 2 'bad value: --threads: "x" is not in 1 .. 256' --threads x
fails 2 'bad value: --threads: "1,," has an empty item' --threads 1,,
fails 2 'bad value: --kind: unknown kind "kernel"; kinds: kernels' --kind kernel
fails 2 'bad value: --cache: "hot" is not one of warm|cold|both' --cache hot
fails 2 'bad value: --reps: "0" is not in 1' --reps 0
fails 2 'missing option: --json: --resume needs the file' --resume
fails 2 'missing option: --json: --launches needs a file' --launches 2
fails 2 'bad combination: --gbench-json' --launches 2 --json new --gbench-json new
fails 2 '.*(' --filter '(' --json new
fails 2 '.*no/such/problem' --filter no/such/problem --json new --gbench-json new
fails 2 'cannot start a sweep: none/rows: No such file or directory' "$@" --json none/rows
fails 2 'cannot write: none/google: No such file' "$@" --json new --gbench-json none/google
fails 2 'cannot pin threads: ' --filter "$problem" --backend scalar --threads 256 --cache warm \
    --json new
fails 2 'bad value: --launches: ' --filter "$problem" --launches 161 --json new

# stop SIGNAL: starts a sweep of many rows, sends the signal once there is a row, and leaves the exit
# code in $code.
stop() {
    # A script's background jobs ignore SIGINT.
    # shellcheck disable=SC2086 # options without blanks
    env --default-signal=INT "$glowbench" bench --filter '^squeeze/forward/' $quick --json stopped \
        --resume >out 2>err &
    process=$!
    while ! [ -s stopped ]; do
        kill -0 $process 2>/dev/null || break
        sleep 0.05
    done
    kill -s "$1" $process || true
    code=0
    wait $process || code=$?
}

stop INT
[ $code -eq 130 ] || complain "exit code $code after an interrupt"
grep -q '^glowbench: interrupted: stopped: after .* rows; rerun with --resume to continue$' err ||
    complain "the interrupt is not reported"
rows stopped 1 '"problem":"control'
done_before=$(grep -c squeeze stopped)
cp stopped before
# A kill leaves whole rows, and maybe a cut one.
# shellcheck disable=SC2086 # options without blanks
"$glowbench" bench --filter '^squeeze/forward/' $quick --json stopped --resume >out 2>err &
process=$!
sleep 1
kill -s KILL $process 2>/dev/null || true
wait $process 2>/dev/null || true
# shellcheck disable=SC2086 # options without blanks
works --filter '^squeeze/forward/' $quick --json stopped --resume
all=$(grep -c '^squeeze/forward/' all)
[ "$all" -gt "$done_before" ] || complain "it was not interrupted"
rows stopped "$all" '"problem":"squeeze'
[ "$(sed -n 's/^{"schema":1,"problem":"\(squeeze[^"]*\)".*/\1/p' stopped | sort -u | wc -l)" -eq "$all" ] ||
    complain "a problem was timed twice"
[ "$(head -n "$(wc -l <before)" stopped)" = "$(cat before)" ] || complain "old rows changed"
finish
