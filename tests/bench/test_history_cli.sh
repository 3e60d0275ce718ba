#!/bin/sh
# SPDX-License-Identifier: MIT
# `glowbench history` on made-up rows: exit codes, orders, machines, what is written; `bench --append`
# on real ones.
#
#     sh tests/bench/test_history_cli.sh GLOWBENCH
set -eu
. "$(dirname "$0")/../support/script.sh"

# commits FIRST LAST [NAME=VALUE...]: their files in rows/, of three launches each; the names do not
# sort by date.
commits() {
    first=$1
    last=$2
    shift 2
    mkdir -p rows
    for i in $(seq "$first" "$last"); do
        awk -f "$tests/rows.awk" launches=3 seed=$((i * 7919)) commit="$(commit "$i")" \
            date="2026-$(printf %02d $((1 + i / 28)))-$(printf %02d $((1 + i % 28)))T12:00:00Z" \
            "$@" >"rows/$(commit "$i").jsonl"
    done
}

commit() {
    printf '%07x%05x' $(($1 * 77777777 % 268435455)) "$1"
}

# ---- Verdicts
commits 1 24
commits 25 40 slow=3 factor=1.05
gives 1 "^slower from commit $(commit 25) of 2026-01-26, 1 benchmark\$" history rows
gives 1 '^   1\.0[45].* conv/forward/n3 avx2, 1 thread, warm' history rows
! grep -E '^.{81}' out || complain "wider than 80 columns"
gives 1 "^regression: since commit $(commit 1): 1 of 6 benchmarks slower, 0 failing\$" history rows
gives 1 '^glowbench: regression: history: ' history rows --since "$(commit 24)"
gives 0 "^no regression: since commit $(commit 25): no lasting slowdown found in 6 benchmarks" \
    history rows --since "$(commit 25 | head -c 7)"
gives 0 '^no regression' history rows --once
run history rows
sed -n 's/.* first seen at //p' out >seen
mkdir part
for i in $(seq 1 40); do
    cp "rows/$(commit "$i").jsonl" part
    ! grep -q "$(commit "$i")" seen || break
done
gives 1 '^regression' history part --once
gives 2 "^inconclusive: need at least 5 commits after $(commit 38) to find a change; there are 2" \
    history rows --since "$(commit 38)"
commits 41 55
gives 0 'conv/forward/n3 .*(recovered)' history rows
gives 0 '^faster from commit' history rows
rm -r rows
commits 1 40
gives 0 '^no regression: since commit .* in 6 benchmarks' history rows
gives 0 '^History of 6 benchmarks, 40 commits from ' history rows/*.jsonl
commits 30 32 control=1.3
gives 0 '^9 of 120 launches left out' history rows
commits 30 32
commits 39 40 error=2
gives 1 "^  since $(commit 39)  fc/forward/n2" history rows
gives 1 ': 0 of 6 benchmarks slower, 1 failing$' history rows
rm -r rows
commits 1 12
gives 2 '^inconclusive: need at least 21 commits for 6 benchmarks; there are 12$' history rows

# ---- Orders and machines
gives 2 'no rows of commit 1234567 in this history' history rows --since 1234567
for i in $(seq 12 -1 3); do commit "$i" && echo; done >order
gives 2 "12 commits from $(commit 1) to $(commit 12), A" history rows
gives 2 "10 commits from $(commit 12) to $(commit 3), A" history rows --order order
echo 1234567 >order
gives 2 'order: no row comes from one of its commits' history rows --order order
sed -i 's/"commit_date":"[^"]*",//' rows/*
gives 2 'its rows have no commit date: give --order FILE or --order time$' history rows
gives 2 '^inconclusive' history rows --order time
commits 13 14 cpu=B
gives 3 'machines differ in cpu: .* choose one by --machine$' history rows --order time
gives 2 'there are 2$' history rows --order time --machine B
gives 2 'no row comes from a CPU "C"' history rows --machine C
commits 13 14 type=Debug
gives 3 'types of build differ' history rows --order time
mkdir none
gives 2 'none: no files \*\.jsonl in it' history none
gives 2 'absent: No such file' history absent
cat "rows/$(commit 1).jsonl" "rows/$(commit 1).jsonl" >twice.jsonl
gives 2 'a launch of commit .* has it twice' history twice.jsonl --order time

# ---- What is written
rm -r rows
commits 1 30
commits 31 45 slow=3 factor=1.05
gives 1 '^regression' history rows --json v.json --summary v.md --junit v.xml --svg pictures
grep -q '"verdict": "regression"' v.json || complain "JSON has no verdict"
grep -q '^### glowbench history: regression$' v.md || complain "Markdown has no verdict"
grep -q '^| `conv/forward/n3 .*\*\*regression\*\*' v.md || complain "Markdown has no row"
grep -q 'tests="7" failures="1" errors="0" skipped="0"' v.xml || complain "JUnit counts differ"
sed 1d v.xml >body.xml
for file in body.xml pictures/conv-forward.svg pictures/fc-forward.svg; do
    awk -f "$tests/well_formed.awk" "$file" || complain "$file is not well-formed"
done
gives 2 'v: No such file\|v/' history rows --json none/v/x
gives 2 '"otava" is not FORMAT=FILE' history rows --export otava
gives 2 'unknown format "csv"; formats: otava, lnt, bmf, github' history rows --export csv=x
for format in lnt bmf github; do
    gives 0 '^6 benchmarks written to ' history rows --export "$format=$format.json"
done
grep -q '"format_version": "2"' lnt.json || complain "no LNT version"
[ "$(grep -c '"execution_time": \[' lnt.json)" -eq 6 ] || complain "not six tests for LNT"
grep -q "\"llvm_project_revision\": \"$(commit 45)\"" lnt.json || complain "no revision for LNT"
[ "$(grep -c '"latency"' bmf.json)" -eq 6 ] || complain "not six benchmarks for Bencher"
[ "$(grep -c '"unit": "ns"' github.json)" -eq 6 ] || complain "not six benchmarks for GitHub"
gives 0 '^6 benchmarks written to otava$' history rows --export otava=otava
[ "$(wc -l <otava/1.csv)" -eq 46 ] || complain "not 45 commits for Otava"
[ "$(grep -c 'type: csv' otava/otava.yaml)" -eq 6 ] || complain "not six tests for Otava"
head -2 otava/1.csv | tail -1 | grep -q "^2026-01-02T12:00:00Z,$(commit 1),0\.2" ||
    complain "an unexpected line for Otava"

# ---- A directory that bench keeps
run bench --list --filter '^actnorm/forward'
bench="bench --filter ^$(head -1 out)\$ --threads 1 --cache warm --reps 1 --backend scalar"
touch file
gives 2 "cannot append: file: \|file: " $bench --append file
gives 0 '^4 rows added to kept/' $bench --launches 2 --append kept
gives 0 '^2 rows added to kept/' $bench --json more.jsonl --append kept
gives 0 '^0 rows added to kept/' $bench --json more.jsonl --resume --append kept
# Interrupted, it has nothing to resume from but a --json.
rm out # of the run before, which says "to time" as well
$glowbench $bench --reps 10000 --append stopped >out 2>err &
while ! grep -qs ' to time' out && kill -0 $!; do sleep 0.1; done
kill -TERM $!
code=0
wait $! || code=$?
[ $code -eq 130 ] && grep -q '^glowbench: interrupted: stopped: nothing was added; with --json FILE' err &&
    [ -z "$(ls stopped)" ] || complain "bench --append interrupted: exit code $code"
[ "$(ls kept | wc -l)" -eq 1 ] && [ "$(cat kept/* | wc -l)" -eq 6 ] || complain "not one file of 6 rows"
for launch in 0 1 2; do
    [ "$(grep -c "\"launch\":$launch," kept/*)" -eq 2 ] || complain "not two rows of launch $launch"
done
gives 2 '^inconclusive: need at least 19 commits for 1 benchmarks; there are 1' history kept --order time
finish
