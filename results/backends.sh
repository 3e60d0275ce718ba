#!/bin/sh
# SPDX-License-Identifier: MIT
# Times a suite on every backend and peer of this CPU, and writes its rows and its table, and steps
# of the models that results/runs train, under results/backends: native kernels, oneDNN 2.6, OpenBLAS
# and libxsmm interleaved, in bf16 as well where they and the CPU have it, then oneDNN 3 in a
# build of its own, then PyTorch. On an idle machine with two cores it takes about 45 minutes, with
# SUITE=quick 20. Interrupted, the same command resumes.
#
#     NAME=xeon-amx sh results/backends.sh     NAME: of the files, and the rows' label
#     sh results/backends.sh --readme          only the tables, here and in README.md, from the
#                                              rows that there are
#
# Other arguments go to bench.
#
#     SUITE=standard                the suite
#     VARIANTS=pytorch-eager,...    of PyTorch; "" leaves it out
#     PYTHON=python3                that imports torch
#     OUT=out/backends
set -eu

cd "$(dirname "$0")/.."
results=results/backends
glowbench=build/release/bench/glowbench
onednn3=build/onednn3/bench/glowbench
: "${SUITE:=standard}" "${OUT:=out/backends}"
VARIANTS=${VARIANTS-pytorch-eager,pytorch-channels-last,pytorch-bf16}

# The scores of a file of rows as a table: a column per backend, values and how many times the native
# backend's they are.
table() { # ROWS
    scores=$(mktemp)
    if ! "$glowbench" score "$1" --csv "$scores" >/dev/null; then
        rm "$scores"
        return
    fi
    # machine,commit,threads,score,backend,problems,timed,samples,unit,value,low,high,limit,precision,watts;
    # names are in quotes and may hold commas.
    sed 's/^"[^"]*",//' "$scores" | awk -F, '
        function name(text) { gsub(/"/, "", text); return text }
        NR > 1 && $9 != "" {
            row = $3 " (" $8 ")" ($13 == "fp32" ? "" : ", " $13)
            backend = name($4)
            if (!(row in rows)) { rows[row] = ++count; names[count] = row }
            if (!(backend in columns)) { columns[backend] = ++width; heads[width] = backend }
            if (columns[backend] == 1) base[row] = $9
            value[row, backend] = $9
        }
        END {
            line = "| |"; rule = "|---|"
            for (i = 1; i <= width; i++) { line = line " " heads[i] " |"; rule = rule "---:|" }
            print line; print rule
            for (r = 1; r <= count; r++) {
                line = "| " names[r] " |"
                for (i = 1; i <= width; i++) {
                    v = value[names[r], heads[i]]
                    if (v == "") line = line " |"
                    else if (i == 1) line = line sprintf(" %.4g |", v)
                    else if (base[names[r]] > 0) line = line sprintf(" %.4g (%.2f) |", v, v / base[names[r]])
                    else line = line sprintf(" %.4g |", v)
                }
                print line
            }
        }'
    rm "$scores"
}

# Machine and table of every CPU.
tables() {
    for rows in "$results"/*.jsonl; do
        [ -e "$rows" ] || continue
        echo
        echo "**$(basename "$rows" .jsonl)**:"
        sed -n '1s/.*"model":"\([^"]*\)".*"cores":\([0-9]*\).*"distribution":"\([^"]*\)".*"commit":"\([^"]*\)".*/\1, \2 cores, \3, commit \4/p' "$rows"
        echo
        table "$rows"
    done
}

readme() {
    page=$(mktemp)
    {
        echo "# Backends"
        echo
        echo "<!-- Made by \`sh results/backends.sh\` from the rows next to it: do not edit. -->"
        echo
        echo "Scores as \`glowbench score\` computes them (geometric means; higher is better) of each CPU that the"
        echo "suite was run on, with all its threads, and in brackets how many times the native backend's they"
        echo "are. \`NAME=... sh results/backends.sh\` adds a CPU, \`--readme\` makes this page and the tables of"
        echo "README.md. oneDNN 3 and PyTorch are timed after the others, so that a machine whose speed drifts"
        echo "shows in their ratio; PyTorch has rows of the models only. More:"
        echo "\`glowbench report results/backends/NAME.jsonl\`."
        tables
    } >"$page"
    cat "$page" >"$results/README.md"
    tables >"$page"
    awk -v page="$page" '
        /^<!-- end of backends -->/ { inside = 0; print "" }
        !inside { print }
        /^<!-- backends -->/ { inside = 1; while ((getline line <page) > 0) print line }' README.md >"$page.new"
    cat "$page.new" >README.md
    rm "$page" "$page.new"
}

if [ "${1:-}" = --readme ]; then
    readme
    exit 0
fi
if [ -z "${NAME:-}" ]; then
    echo "backends.sh: NAME is missing: what the files of this CPU are called, such as xeon-amx" >&2
    exit 2
fi

out=$OUT/$NAME
mkdir -p "$out" "$results/steps"
if [ ! -x "$glowbench" ]; then
    sh cmake/build.sh release glowbench >"$out/release.log" 2>&1
fi
if [ ! -x "$onednn3" ] && GB_ONEDNN3=$(sh cmake/onednn3.sh); then
    export GB_ONEDNN3
    sh cmake/build.sh onednn3 glowbench >"$out/onednn3.log" 2>&1
fi

# sweep GLOWBENCH ROWS BENCH-ARGUMENT...: what is not timed yet.
sweep() {
    program=$1
    rows=$2
    shift 2
    [ ! -e "$rows.done" ] || return 0
    resume=
    [ ! -e "$rows" ] || resume=--resume
    # shellcheck disable=SC2086
    "$program" bench --label "$NAME" "$@" --json "$rows" $resume || {
        code=$?
        [ $code -eq 1 ] || exit $code # 1: rows failed their check, and say so
    }
    touch "$rows.done"
}
"$glowbench" info >"$out/info"
native=$(sed -n 's/^backends *\([^ ]*\).*/\1/p' "$out/info")
sweep "$glowbench" "$out/rows.jsonl" --suite "$SUITE" "$@"
# Steps of the other models that results/runs train, by which `glowbench tables` projects times.
sweep "$glowbench" "$out/steps.jsonl" --kind steps --backend "$native,onednn" --threads "$(nproc)" \
    --reps 5 \
    --model cglow-lfw-32,cglow-denoise-128,cglow-depth,cglow-inpaint,dncnn,fcn,ffn,srcnn "$@"
if grep -q '^ISAs.*bf16' "$out/info"; then
    libraries=onednn
    ! grep -q '^ *libxsmm.*bf16' "$out/info" || libraries=$libraries,libxsmm
    sweep "$glowbench" "$out/bf16.jsonl" --suite "$SUITE" --precision bf16 --backend "$native,$libraries" "$@"
fi
[ ! -x "$onednn3" ] ||
    sweep "$onednn3" "$out/onednn3.jsonl" --suite "$SUITE" --backend onednn "$@"

# The first that imports PyTorch; nothing if none does.
python=
for candidate in "${PYTHON:-python3}" /usr/bin/python3; do
    [ -n "$python" ] || ! "$candidate" -c 'import torch' 2>/dev/null || python=$candidate
done
[ -n "$python" ] || [ -z "$VARIANTS" ] || echo "PyTorch is missing: left out"

# peer TASK SIZE MODEL: PyTorch's rows of a model whose native rows there are, after its check.
peer() {
    [ ! -e "$out/$3.jsonl" ] || return 0
    cat "$out/rows.jsonl" "$out/steps.jsonl" "$out/bf16.jsonl" 2>/dev/null |
        grep '"problem":"\(step\|sample\)/[a-z]*/'"$3" >"$out/$3.part" || return 0
    lines=$(wc -l <"$out/$3.part")
    "$glowbench" train "$1" --size "$2" --iters 1 --out "$out/$3" >"$out/$3.log"
    "$glowbench" eval "$1" --checkpoint "$out/$3/checkpoint.safetensors" --samples 1 \
        --tensors "$out/$3/check.safetensors" >>"$out/$3.log"
    "$python" bench/peers/pytorch.py "$out/$3/checkpoint.safetensors" \
        --check "$out/$3/check.safetensors" --rows "$out/$3.part" --reps 5 --variants "$VARIANTS"
    tail -n +$((lines + 1)) "$out/$3.part" >"$out/$3.jsonl.part"
    mv "$out/$3.jsonl.part" "$out/$3.jsonl"
}
if [ -n "$python" ] && [ -n "$VARIANTS" ]; then
    peer horses 32 cglow-horses-32
    peer sr 32 cnf-sr-32
    peer lfw 32 cglow-lfw-32
    peer denoise 128 cglow-denoise-128
    peer depth 96 cglow-depth-96x128
    peer inpaint 64 cglow-inpaint-64
fi

# join NAME...: rows that there are, the native backend's first: columns are in this order.
join() {
    for rows in "$@"; do
        [ ! -e "$out/$rows.jsonl" ] || cat "$out/$rows.jsonl"
    done
}
join rows bf16 onednn3 cglow-horses-32 cnf-sr-32 >"$results/$NAME.jsonl"
join rows bf16 onednn3 cglow-horses-32 cnf-sr-32 steps cglow-lfw-32 cglow-denoise-128 cglow-depth-96x128 \
    cglow-inpaint-64 | grep '"operation":"step"' >"$results/steps/$NAME.jsonl"
"$glowbench" report "$results/$NAME.jsonl" --markdown "$results/$NAME.md"
readme
echo "README.md, $results/README.md, $results/$NAME.jsonl, $results/$NAME.md and $results/steps/$NAME.jsonl are written."
