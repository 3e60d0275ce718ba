#!/bin/sh
# SPDX-License-Identifier: MIT
# `glowbench report`: a page that needs no other file, pictures, and nothing from damaged input.
#
#     sh tests/bench/test_report.sh GLOWBENCH
set -eu
. "$(dirname "$0")/../support/script.sh"

# report ARGUMENT...: into page/, which is empty before.
report() {
    rm -rf page
    mkdir page
    run report "$@" --html page/all.html
}

# refuses PATTERN ARGUMENT...: nothing is written.
refuses() {
    pattern=$1
    shift
    rm -rf page
    mkdir page
    gives 2 "$pattern" report "$@" --html page/all.html
    [ ! -s out ] && [ -z "$(ls -A page)" ] || complain "wrote something: $*"
}

# row CPU BACKEND LIBRARY THREADS OPERATION SECONDS: one row, of 1e9 FLOPs and 1e8 bytes.
row() {
    printf '{"schema": 1, "problem": "%s/forward/n2c8", "operation": "%s", ' "$5" "$5"
    printf '"direction": "forward", "mixes": {"cglow-horses-32": 3}, "backend": "%s", ' "$2"
    printf '"library": "%s", "borrowers": [], "threads": %d, "cache": "warm", ' "$3" "$4"
    printf '"launch": 0, "seconds": [%s], "median_seconds": %s, "spread": 0, ' "$6" "$6"
    printf '"flops": 1e9, "bytes": 1e8, "gflops": 50, "gbs": 5, "wall": "compute", '
    printf '"peak_gflops": 100, "peak_gbs": 20, "share_of_peak": 0.5, "reorder_seconds": null, '
    printf '"error": null, "cpus": [0], "load_average": 0, "finished": "2024-05-01T12:00:00Z", '
    printf '"machine": {"cpu": {"model": "%s"}}, "build": {"commit": "abc"}}\n' "$1"
}

# rows CPU LIBRARY
rows() {
    for threads in 1 2; do
        for operation in conv fc; do
            row "$1" avx512 "" $threads $operation 0.02
            row "$1" onednn "$2" $threads $operation 0.04
        done
    done
}

rows 'One <script>&"' 'oneDNN 2.6' | sed 's/<script>&"/<script>\&\\"/' >one.jsonl
rows 'One <script>&"' 'oneDNN 3.2' | sed 's/<script>&"/<script>\&\\"/' >newer.jsonl
rows Two 'oneDNN 2.6' >two.jsonl

run="run <i>'s"
mkdir "$run"
printf '{"task": "horses", "model": "cglow", "backend": "avx512", "metrics": {"mean_iou": 0.7}}' \
    >"$run/run.json"
printf '{"step": %d, "bits_per_dimension": %s, "mean_iou": 0.5}\n' 50 3.5 100 2.5 150 2.25 \
    >"$run/log.jsonl"
printf '\211PNG\r\n\032\nMa' >"$run/samples.png"

# The page: two machines, of which one has two versions of a library, and a run.
report one.jsonl newer.jsonl two.jsonl "$run"
[ "$code" -eq 0 ] && [ ! -s err ] || complain "exit code $code"
has page/all.html 'Side by side' 'One &lt;script&gt;&amp;&quot;</h2>' 'Two</h2>' 'oneDNN 2.6</th>' \
    'oneDNN 3.2</th>' 'run &lt;i&gt;' '<td>0.7000</td>' 'base64,iVBORw0KGgpNYQ=="' '<svg' \
    'timed kernels' '<title>conv/forward/n2c8, avx512: '
# One speed is half the other; the time of a step is three calls each of both operations.
has page/all.html '>120ms <small>±0%</small></td><td>50%</td><td class="best">1.00</td>' \
    '>240ms <small>±0%</small></td><td>25%</td><td>0.50</td>'
grep -q 'loaded machine' page/all.html && complain "calls a quiet machine loaded"
grep -q -e '<script' -e '<i>' page/all.html && complain "text is not escaped"
grep -qiE '(src|href|data|action)=["'\'']?(https?:|//|[a-z]+\.)|url\([^#]|@import' page/all.html &&
    complain "the page needs other files"
awk -f "$tests/well_formed.awk" page/all.html || complain "the page is not well-formed"
for picture in bars-1-cglow-horses-32 bars-2-cglow-horses-32 roofline-1-1-thread--warm-caches \
    scaling-2-warm curves-1-bits-per-dimension curves-2-mean-iou; do
    [ -s "page/all-$picture.svg" ] && [ -s "page/all-$picture.png" ] || complain "no $picture"
    awk -f "$tests/well_formed.awk" "page/all-$picture.svg" || complain "$picture is not well-formed"
done

# The machines in columns, one relabelled and with other cores: all of its threads against all of the
# other's, whatever their number.
counters='"repetition_seconds": 0.04, "cpu_seconds": 0.04, "involuntary_switches": 3'
sed -e 's/"threads": 2/"threads": 64/' -e "s/\"launch\": 0/\"launch\": 0, \"label\": \"big\", $counters/" \
    -e 's/"model": "Two"/"model": "Two @ 2.50GHz", "cores": 64/' -e 's/0\.02/0.005/g' two.jsonl >big.jsonl
report two.jsonl big.jsonl --baseline Two --cost-per-hour big=3.6 --csv csv --markdown md
[ "$code" -eq 0 ] || complain "two machines: $(cat err)"
has page/all.html 'convolutions: 200 GFLOP/s with avx512, 8.00 times onednn' 'Side by side' 'big</h2>' 'Two @ 2.50GHz' '4.00x' 'not judged' \
    '<b>Timed on a loaded machine:</b> big' 'preempted 8 of 8 rows' '†'
has md '| convolutions, GFLOP/s | all | fastest | 50.0 1.00x | 200 4.00x |' '| GHz | - | 80.0 - |' \
    '| convolutions, GFLOP | dollar | - | 200000 - |' '| convolutions, GFLOP/s | core | - | 3.12 - |'
has csv '"big","abc","conv/forward/n2c8","avx512","",64,warm,1,0.005,0,200,20,' ',compute,0,1,""'
[ "$(wc -l <csv)" -eq 17 ] || complain "not 16 lines of CSV"
run report two.jsonl --csv only
[ "$code" -eq 0 ] && [ -s only ] && [ ! -e report.html ] || complain "CSV alone wrote a page"
refuses 'bad value: --baseline: "Three" is unknown; machines: Two, big$' two.jsonl big.jsonl --baseline Three
refuses 'bad value: --cost-per-hour: "big=0" is not' two.jsonl big.jsonl --cost-per-hour big=0

# Each kind of input alone.
report two.jsonl
[ "$code" -eq 0 ] || complain "rows alone"
report "$run"
[ "$code" -eq 0 ] || complain "a run alone"

# Damaged input.
: >empty.jsonl
refuses 'empty.jsonl' empty.jsonl
head -c 2000 one.jsonl >cut.jsonl
refuses 'cut.jsonl' two.jsonl cut.jsonl
refuses 'absent.jsonl' absent.jsonl
refuses 'missing operand: RUN'
mkdir hollow
refuses 'hollow: not a training run' hollow
cp -r "$run" cut
echo '{"step": ' >>cut/log.jsonl
refuses 'cut/log.jsonl: line 4' two.jsonl cut
rm cut/log.jsonl
mkdir cut/log.jsonl
refuses 'cut/log.jsonl: Is a directory' cut
rmdir cut/log.jsonl
cp "$run/log.jsonl" cut/log.jsonl
echo text >cut/samples.png
refuses 'cut/samples.png: not a PNG' cut

# Without gnuplot.
mkdir none
path=$PATH
PATH=$directory/none
run report two.jsonl --html none/all.html
PATH=$path
[ "$code" -eq 2 ] && grep -q 'gnuplot-nox' err || complain "a missing gnuplot is not reported"
[ -z "$(ls -A none)" ] || complain "wrote something without gnuplot"

# A gnuplot that reads no script to its end, as after a failed read.
mkdir short
printf '#!/bin/sh\nexit 0\n' >short/gnuplot
chmod +x short/gnuplot
PATH=$directory/short:$path
run report two.jsonl --html none/all.html
PATH=$path
[ "$code" -eq 2 ] && grep -q 'exited before the end of its script' err ||
    complain "a script that was cut off is not reported"
finish
