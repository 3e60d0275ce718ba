#!/bin/sh
# SPDX-License-Identifier: MIT
# The papers' tables of small made-up results; a run that is stopped by its time limit and resumed.
#
#     sh tests/bench/test_tables.sh GLOWBENCH
set -eu
. "$(dirname "$0")/../support/script.sh"
results=$(cd "$tests/../../results" && pwd)

# tables ARGUMENT...
tables() {
    run tables --results made "$@"
}

mkdir -p made/runs
cat >made/published.json <<'END'
{"tables": [{
    "id": "t", "title": "Table 1: horses <IoU>", "note": "",
    "summary": {"what": "synthetic horses", "column": "small", "published": "theirs", "measured": "ours",
                "blind": "blind"},
    "columns": [{"name": "small", "decimals": 2}, {"name": "large", "decimals": 2}],
    "published": [{"line": "theirs", "values": ["0.812", null]}],
    "measured": [{"line": "ours", "published": "theirs", "unmeasured": "too large"}, {"line": "blind", "unmeasured": "", "not_applicable": "too blind"}]
}]}
END
cat >made/runs/tiny.json <<'END'
{
    "task": "horses",
    "options": {"size": 16, "levels": 2, "steps": 1, "n-c": 8, "n-w": 16, "coupling-channels": 16,
                "samples": 1, "score-every": 1000, "score-images": 2, "iters": 4000},
    "paper_iterations": 50000, "seeds": [3, 4], "data": null, "splits": null,
    "cells": [{"table": "t", "line": "ours", "column": "small", "metric": "mean_iou"},
              {"table": "t", "line": "blind", "column": "small", "metric": "no_such"}],
    "notes": ["Synthetic horses."]
}
END

# Nothing is measured yet.
tables --html page.html
[ $code -eq 0 ] || complain "tables without rows"
has made/README.md '| theirs | 0.812 | – | published |'
has made/README.md '| ours |  |  | here: `tiny` |'
has made/README.md '| synthetic horses | 0.812 |  |  |' '- synthetic horses: baseline: blind'
has made/README.md '- ours, small: not run yet: glowbench tables --run tiny --data DIR'
has made/README.md '- ours, large: too large'
has made/README.md '## Table 1: horses \<IoU>'
has page.html '<h2>Table 1: horses &lt;IoU&gt;</h2>' '<td class="text">theirs</td><td>0.812</td><td>–</td><td class="text">published</td>' \
    '<td class="text">here: <code>tiny</code></td>' '<meta name="viewport" ' '<li>ours, large: too large</li>'
awk -f "$tests/well_formed.awk" page.html || complain "the page is not well-formed"

# One seed, then two: their mean and deviation.
row='"task": "horses", "model": "cglow", "iterations": 50000, "command": "glowbench train"'
echo "{\"run\": \"tiny\", \"seed\": 3, \"steps\": 10, $row, \"metrics\": {\"mean_iou\": 0.5}, \"notes\": [\"It fell.\"]}" \
    >made/rows.jsonl
tables
has made/README.md '| ours | 0.50 |  | here: `tiny` |' '| blind |  | – | here: `tiny` |'
has made/README.md '- blind, small: tiny has no no_such' '- blind, large: too blind' \
    '- `tiny`: 1 of 2 seeds, 10 of the paper'"'"'s 50000 steps. Synthetic horses. It fell.'
has made/README.md '| synthetic horses | 0.812 | 0.50 |  |' \
    '- synthetic horses: 10 of the paper'"'"'s 50000 steps; baseline: blind'
echo "{\"run\": \"tiny\", \"seed\": 4, \"steps\": 50000, $row, \"metrics\": {\"mean_iou\": 0.7}}" >>made/rows.jsonl
tables
has made/README.md '| ours | 0.60 ± 0.14 |  | here: `tiny` |'
has made/README.md '- `tiny`: 2 of 2 seeds, 10 to 50000 of the paper'"'"'s 50000 steps. Synthetic horses. It fell.'

# Impossible figures of a row are not shown as if they were measured.
cp made/README.md before.md
cp made/rows.jsonl saved
sed 's/"mean_iou": 0.7/"mean_iou": -1e308/; s/"task"/"training_seconds": 1e308, "step_seconds_median": -1e308, &/' \
    saved >made/rows.jsonl
tables
[ $code -eq 0 ] || complain "impossible figures: exit code $code"
has made/README.md '| ours |  |' 'ours, small: tiny has an impossible mean_iou' 'steps in unknown, unknown time each'
mv saved made/rows.jsonl
tables
cmp -s before.md made/README.md || complain "the page depends on more than the rows"

# Bad files change nothing.
cp made/README.md before.md

# refuses FILE EDIT WORDS: with the file edited by sed, an error about the file with these words, and
# the page is unchanged.
refuses() {
    cp "made/$1" saved
    sed "$2" saved >"made/$1"
    tables
    [ $code -eq 2 ] || complain "$1: exit code $code"
    [ "$(wc -l <err)" -eq 1 ] || complain "$1: not one line"
    has err made "$3"
    cmp -s before.md made/README.md || complain "$1: README.md changed"
    mv saved "made/$1"
}
refuses rows.jsonl '$a{"run": "tiny"' 'rows.jsonl: line 3: '
refuses rows.jsonl '$a{"run": "tiny", "seed": 1, "metrics": {}}' 'rows.jsonl: Object item not found: steps'
refuses rows.jsonl '$a{"run": "lost", "seed": 3, "steps": 1, "metrics": {}}' 'rows.jsonl: unknown run: lost'
refuses rows.jsonl '$a{"run": "tiny", "seed": 77, "steps": 1, "metrics": {}}' '77 is not among the seeds'
refuses published.json 's/"0.812", null/"0.812"/' 'published.json: table t, line theirs: not one value per column'
for member in column published measured blind; do
    refuses published.json "/summary/,+1s/\"$member\": \"[a-z]*\"/\"$member\": \"nothing\"/" \
        "published.json: table t, summary: unknown $member 'nothing'"
done
refuses published.json '/measured/s/"published": "theirs"/"published": "nothing"/' \
    "published.json: table t, line ours: unknown published 'nothing'"
refuses published.json 's/too large//' 't, ours, large, and published.json gives no reason'
refuses runs/tiny.json 's/"line": "ours"/"line": "nobody"/' 'runs/tiny.json: published.json has no measured cell t, nobody'
refuses runs/tiny.json 's/horses/cows/' 'runs/tiny.json: unknown task: cows'
refuses runs/tiny.json d 'runs/tiny.json: line 1: '

gives 2 'unknown run: other' tables --results made --run other
gives 2 '77 is not among the seeds' tables --results made --run tiny --seed 77 --out runs
gives 2 '--time-limit' tables --results made --run tiny --time-limit 0 --out runs
[ ! -e runs ] || complain "a directory for a run that was refused"

# A run stops at its time limit without a row, resumes, and replaces the row of its seed.
rm made/rows.jsonl
resumed='resuming at step [0-9]'
tables --run tiny --out runs --time-limit 0.001 --threads 1
[ $code -eq 0 ] || complain "time limit: exit code $code"
grep -q 'unfinished, no row added' out || complain "an unfinished run is not reported"
[ ! -e made/rows.jsonl ] || complain "a row of a run that is not finished"
tables --run tiny --out runs --time-limit 0.001 --threads 1 --score-unfinished
[ $code -eq 0 ] || complain "score: exit code $code"
grep -q "$resumed" out || complain "it did not resume"
[ "$(wc -l <made/rows.jsonl)" -eq 1 ] || complain "not one row"
grep -q '^  *paper  *repository  *this run$' out && grep -q '^ours, small  *0\.812  *-  *0\.[0-9][0-9]$' out ||
    complain "not compared with the paper and the earlier rows"
grep -q '"steps": 4000' made/rows.jsonl && complain "the limit did not stop it"
grep -q '"commit": "[0-9a-z+]*", "day": .*"machine": {"cpu": "[^"]' made/rows.jsonl || complain "no commit, no machine"
steps=$(sed -n 's/.*"steps": \([0-9]*\).*/\1/p' made/rows.jsonl)
grep -q -e "--iters $steps --seed 3" made/rows.jsonl || complain "another command than the row's"
cp made/runs/tiny.json saved
sed 's/"steps": 1,/"steps": 1, "lr": 0.5,/' saved >made/runs/tiny.json
tables --run tiny --out runs
[ $code -eq 2 ] && grep -q 'begun with other options' err || complain "other options: exit code $code"
mv saved made/runs/tiny.json

# Begun by another build, and interrupted.
tr -d '\n' <runs/tiny-3/begun.json | sed 's/"commits": *\[[^]]*\]/"commits": ["0123456789ab"]/' >saved
mv saved runs/tiny-3/begun.json

# begin ARGUMENT...: resumes the run in the background, as $process, until it logs.
begin() {
    rows=$(wc -l <runs/tiny-3/log.jsonl)
    env --default-signal=INT "$glowbench" tables --results made --run tiny --out runs "$@" >out 2>err &
    process=$!
    while kill -0 $process && [ "$(wc -l <runs/tiny-3/log.jsonl)" -le "$rows" ]; do sleep 0.1; done
}
begin --threads 1
kill -INT $process
code=0
wait $process || code=$?
[ $code -eq 130 ] && grep -q 'rerun to resume$' err || complain "interrupted: exit code $code"
grep -q -e '--resume' out err && complain "an option that tables does not have"

# Another process adds a row while it trains.
begin --threads 2
echo "{\"run\": \"tiny\", \"seed\": 4, \"steps\": 10, $row, \"metrics\": {\"mean_iou\": 0.5}}" >>made/rows.jsonl
kill -0 $process || complain "it ended too soon for the test"
code=0
wait $process || code=$?
[ $code -eq 0 ] || complain "the rest: exit code $code"
[ "$(wc -l <made/rows.jsonl)" -eq 2 ] && grep -q '"seed": 4, "steps": 10' made/rows.jsonl ||
    complain "the other row is lost, or its own was not replaced"
grep -q '"commit": "0123456789ab, [0-9a-z+]*"' made/rows.jsonl || complain "the build that began it is missing"
sed -i '/"seed": 4/d' made/rows.jsonl
grep -q '"steps": 4000, "iterations": 4000' made/rows.jsonl || complain "not all steps"
grep -q '"scores": \[{"step": 1000, "mean_iou": [0-9.]*, .*{"step": 4000, "mean_iou"' made/rows.jsonl ||
    complain "no scores"
"$glowbench" train horses --size 16 --levels 2 --steps 1 --n-c 8 --n-w 16 --coupling-channels 16 \
    --samples 1 --iters 4000 --seed 3 --out whole >out 2>err || complain "the same run at once"
cmp runs/tiny-3/checkpoint.safetensors whole/checkpoint.safetensors || complain "not bitwise identical to an uninterrupted run"
tables --run tiny --seed 3 --out runs
grep -q "$resumed\\|ms/step" out && complain "a finished run was trained again"
# A picture that could not be written is drawn the next time; a record that cannot be read stays.
rm runs/tiny-3/samples.png
tables --run tiny --seed 3 --out runs
[ $code -eq 0 ] && [ -s runs/tiny-3/samples.png ] || complain "no picture of a finished run"
mv runs/tiny-3/run.json record
mkdir runs/tiny-3/run.json
tables --run tiny --seed 3 --out runs
[ $code -eq 2 ] && grep -q 'run.json: Is a directory$' err || complain "a record that cannot be read"
rmdir runs/tiny-3/run.json
mv record runs/tiny-3/run.json
cp made/rows.jsonl saved
tables --run tiny --seed 3 --out trial --time-limit 0.001 --score-unfinished --threads 1
[ $code -eq 0 ] && grep -q 'not added: .* more steps (4000)' out && cmp saved made/rows.jsonl || complain "a trial took the row"
tables --run tiny --out runs --time-limit 0.001 --threads 1
grep -q 'tiny, seed 4: unfinished' out || complain "it did not continue with the next seed"
tables
has made/README.md '`tiny`, seed 3: 4000 steps in '
has made/README.md '--score-images 2 --iters 4000 --seed 3`'
if command -v gnuplot >/dev/null; then
    for picture in curve scores; do
        [ -s made/$picture-horses.svg ] || complain "no curves"
        has made/README.md "![$picture-horses]($picture-horses.svg)"
    done
fi

# Time to accuracy: of the rows, which the page lists as well; of a log whose steps have known times.
tables --time-to mean_iou=0
[ $code -eq 0 ] || complain "--time-to: exit code $code"
has out 'tiny, seed 3, fp32, ' 'threads: ' 'at step 1000 after '
has made/README.md '## Time to accuracy' '| `tiny` | fp32, ' ' its best | 1 of 1 | '

# The time on other libraries, by the ratio of steps in backends/steps, unless the run's model is another.
mkdir -p projected/runs projected/backends/steps
cp made/published.json projected
# options TEXT: the run with these options alone.
options() {
    sed "s/\"options\": {/&$1},/; /\"options\"/,/4000}/{/\"samples\"/d; s/},.*/},/}" made/runs/tiny.json \
        >projected/runs/tiny.json
}
options '"size": 16, "iters": 4000'
echo "{\"run\": \"tiny\", \"seed\": 3, \"steps\": 10, $row, \"metrics\": {\"mean_iou\": 0.5}," \
    '"backend": "avx2", "scores": [{"step": 5, "mean_iou": 0.6, "seconds": 300}]}' >projected/rows.jsonl
# step SECONDS BACKEND LIBRARY
step() {
    awk -f "$tests/rows.awk" launches=1 only=0 missing=1 | sed -n "1{s|fc/forward/n0|step/train/cglow-horses-16b2|
        s/\"fc\"/\"step\"/; s/\"forward\"/\"train\"/; s/avx2/$2/; s/\"library\":\"\"/\"library\":\"$3\"/
        s/\"seconds\":[^]]*/\"seconds\":[$1/; s/\"median_seconds\":[^,]*/\"median_seconds\":$1/p}"
}
{
    step 0.020 scalar ''
    step 0.002 avx2 ''
    step 0.003 onednn 'oneDNN 2.6.3'
    step 0.0025 onednn 'oneDNN 3.2.0'
    step 0.010 pytorch-eager 'PyTorch 2.15'
} >projected/backends/steps/x.jsonl
gives 0 '' tables --results projected
has projected/README.md '| 5 min 00 s | oneDNN 6 min 15 s, PyTorch 25 min 00 s |'
options '"size": 16, "n-c": 8, "iters": 4000'
gives 0 '' tables --results projected
has projected/README.md '| 5 min 00 s |  |'
echo '{' >>projected/backends/steps/x.jsonl
gives 2 'projected/backends/steps/x.jsonl: line 6' tables --results projected
mkdir log
echo '{"task": "horses", "seed": 7, "steps": 120, "threads": 2, "backend": "avx2", "config": {"precision": "bf16", "batch": 2}}' \
    >log/run.json
cat >log/log.jsonl <<'END'
{"step": 50, "bits_per_dimension": 1.0, "step_seconds": 0.1, "images_per_second": 1}
{"step": 75, "mean_iou": 0.4, "test_bits_per_dimension": 0.9, "score_seconds": 2.0}
{"step": 100, "bits_per_dimension": 1.0, "step_seconds": 0.2, "images_per_second": 1}
{"step": 100, "mean_iou": null, "score_seconds": 0.5}
{"step": 120, "bits_per_dimension": 1.0, "step_seconds": 0.4, "images_per_second": 1}
{"step": 120, "mean_iou": 0.625, "test_bits_per_dimension": 0.8, "score_seconds": 3.0}
END
tables --time-to mean_iou=0.5 --log log --tsv times.tsv --mllog mllog
[ $code -eq 0 ] || complain "--log: exit code $code"
has out 'log, seed 7, bf16, avx2, threads: 2: mean_iou 0.625 at step 120 after 23 s, and 6 s of evaluation'
printf 'run\tseed\tprecision\tbackend\tthreads\tstep\tseconds\tevaluation_seconds\tmean_iou
log\t7\tbf16\tavx2\t2\t75\t10.000\t2.000\t0.4\nlog\t7\tbf16\tavx2\t2\t120\t23.000\t5.500\t0.625\n' | cmp - times.tsv ||
    complain "other times"
[ "$(grep -c '^:::MLLOG {"namespace": "", "time_ms": ' mllog)" -eq "$(wc -l <mllog)" ] || complain "not MLPerf's format"
has mllog '"time_ms": 23000, "event_type": "POINT_IN_TIME", "key": "eval_accuracy", "value": 0.625' \
    '"time_ms": 23000, "event_type": "INTERVAL_END", "key": "run_stop", "value": null, "metadata": {"status": "success"}'
tables --time-to test_bits_per_dimension=0.85 --log log --mllog mllog # lower is better
has out 'test_bits_per_dimension 0.8 at step 120'
tables --time-to mean_iou=0.7 --log log --mllog mllog
has out 'not reached, best mean_iou 0.625 at step 120'
has mllog '"status": "aborted"'
# Five seeds: without the fastest and the slowest, (20 + 30 + 58) / 3.
for seed in 1 2 3 4 5; do
    mkdir seed$seed
    sed "s/\"seed\": 7/\"seed\": $seed/" log/run.json >seed$seed/run.json
done
step() { # SEED SECONDS
    echo "{\"step\": 1, \"step_seconds\": $2}" >"seed$1/log.jsonl"
    echo '{"step": 1, "mean_iou": 0.9}' >>"seed$1/log.jsonl"
}
step 1 58 && step 2 1 && step 3 20 && step 4 30 && step 5 1000
mkdir all
for seed in 1 2 3 4 5; do mv seed$seed all/; done
tables --time-to mean_iou=0.5 --log all/seed1 --log all/seed2 --log all/seed3 --log all/seed4 --log all/seed5
has out 'horses, bf16: mean of 5 of 5 runs, which reached it: 36 s, without the fastest and the slowest'
gives 2 'conflicting options: --time-to: it prints times only' tables --results made --time-to f=0.5 --readme none
gives 2 'bad value: --time-to: "0.5" is not METRIC=VALUE' tables --results made --time-to 0.5
gives 2 'no scores: f_score: no run has it in its log' tables --results made --time-to f_score=0.5
gives 2 'missing option: --time-to: required by --log, --tsv and --mllog' tables --results made --tsv new

# --check of one task on one backend, and no other.
run tables --check --task depth --backend scalar --threads 1 --results "$results"
[ $code -eq 0 ] && [ "$(cat out)" = 'depth      scalar   identical
PASS: all 1 reproduced' ] || complain "--check --task depth --backend scalar: exit code $code"
gives 2 "unknown task: hores" tables --check --task hores --results "$results"
gives 2 "sclar" tables --check --backend sclar --results "$results"

# The scripts about claims and data: a claim that takes seconds, and what they refuse.
GLOWBENCH=$glowbench sh "$results/check_claims.sh" --quick 2 >out 2>err || complain "check_claims: $(cat out err)"
has out '2    pass bitwise identical' 'PASS: 1 claims; 0 skipped'
code=0
GLOWBENCH=$glowbench sh "$results/check_claims.sh" --slow >out 2>err || code=$?
[ $code -eq 2 ] || complain "check_claims --slow: exit code $code"
code=0
sh "$results/check_data.sh" . >out 2>err || code=$?
[ $code -eq 2 ] && has out 'FAIL: no data set in .' || complain "check_data: exit code $code"

# --check with the threads that are asked for, and one that loads examples: once the first task has been
# compared. Stopped there, since the rest is another test's.
for threads in 1 2; do
    : >out
    "$glowbench" tables --check --threads $threads --results "$results" >out 2>err &
    process=$!
    while kill -0 $process && [ ! -s out ]; do sleep 0.1; done
    used=$(find /proc/$process/task -mindepth 1 -maxdepth 1 | wc -l)
    kill $process
    wait $process || true
    grep -q identical out && [ "$used" -eq $((threads + 1)) ] || complain "--check --threads $threads: $used threads"
done

# The summary in another page.
printf 'before\n<!-- glowbench tables -->\nold\n<!-- end -->\nafter\n' >made/page.md
tables --readme made/page.md
[ $code -eq 0 ] || complain "--readme: exit code $code"
has made/page.md '| synthetic horses | 0.812 |'
[ "$(sed -n '1p;$p' made/page.md)" = 'before
after' ] && ! grep -q old made/page.md || complain "not the marked part alone"
echo '<!-- glowbench tables -->' >made/page.md
tables --readme made/page.md
[ $code -eq 2 ] && [ "$(wc -c <made/page.md)" -eq 26 ] || complain "a page without marks"

# Without gnuplot the curves are not redrawn, which is reported once.
mkdir bin
for tool in sh mkdir; do ln -s "$(command -v $tool)" bin/$tool; done
cp made/README.md before.md
code=0
PATH=$PWD/bin "$glowbench" tables --results made >out 2>err || code=$?
[ $code -eq 0 ] && cmp before.md made/README.md || complain "without gnuplot: exit code $code"
[ "$(wc -l <err)" -le 1 ] || complain "more than one line"

# The committed pages are those of the committed rows.
if command -v gnuplot >/dev/null; then
    cp -r "$results" committed
    cp "$results/../README.md" whole.md
    run tables --results committed --readme whole.md --html page.html
    [ $code -eq 0 ] || complain "the committed results"
    cmp "$results/README.md" committed/README.md && cmp "$results/../README.md" whole.md ||
        complain "outdated pages: glowbench tables --readme README.md updates them"
    awk -f "$tests/well_formed.awk" page.html || complain "the page of the results is not well-formed"
    [ "$(grep -c '<svg\|<img' page.html)" -eq "$(grep -c '^!\[' committed/README.md)" ] ||
        complain "pictures are missing from the page"
fi
finish
