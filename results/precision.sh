#!/bin/sh
# SPDX-License-Identifier: MIT
# Trains a model of every task in fp32 and in bf16 from the same seeds and writes a table of bits per
# dimension and metric of both. Each run ends after STEPS steps or MINUTES; interrupted, the same
# command resumes, and what has ended is not repeated. On generated data; with $DATA, on the
# published sets that it has, laid out as bench/README.md says. With the defaults, 42 runs of up to
# ten minutes.
#
#     STEPS=2000 MINUTES=10 SEEDS="0 1 2" sh results/precision.sh [GLOWBENCH [DIRECTORY [TABLE]]]
set -eu

results=$(cd "$(dirname "$0")" && pwd)
glowbench=${1:-$results/../build/release/bench/glowbench}
out=${2:-out/precision}
table=${3:-$results/precision.md}
: "${STEPS:=2000}" "${MINUTES:=10}" "${SEEDS:=0 1 2}" "${DATA:=}"
mkdir -p "$out"

# The option for the task's data under $DATA; nothing where they are missing.
data_of() {
    case $1 in
    horses) set -- weizmann_horse ;;
    lfw | inpaint) set -- lfw_parts ;;
    denoise) set -- bsds500 ;;
    sr) set -- bsds500 sr_sets ;;
    depth) set -- seven_scenes ;;
    vessels) set -- chase_db1 ;;
    esac
    [ -z "$DATA" ] || [ ! -d "$DATA/$1" ] || echo "--data=$DATA/$1${2:+:$DATA/$2}"
}

train() { # TASK PRECISION SEED
    run=$out/$1-$2-$3
    [ ! -e "$run/run.json" ] || return 0
    resume=
    [ ! -e "$run/checkpoint.safetensors" ] || resume=--resume
    # shellcheck disable=SC2046,SC2086 # no blanks in options
    "$glowbench" train "$1" $(data_of "$1") --iters "$STEPS" --time-limit "$MINUTES" \
        --score-unfinished --precision "$2" --seed "$3" --samples 10 --out "$run" $resume >&2
}

# Of a run: its steps at the top of run.json (the model's configuration has some, too), and a number
# under any key.
steps() { # TASK PRECISION SEED
    sed -n 's/^  "steps": \([0-9]*\),*$/\1/p' "$out/$1-$2-$3/run.json"
}
number() { # TASK PRECISION SEED KEY
    sed -n "s/^ *\"$4\": \([-+.e0-9]*\),*\$/\1/p" "$out/$1-$2-$3/run.json" | head -n 1
}

# "mean (spread)": over the seeds, the spread being the largest minus the smallest.
summary() { # TASK PRECISION KEY
    for seed in $SEEDS; do
        number "$1" "$2" "$seed" "$3"
    done | awk 'NR == 1 { low = high = $1 }
        { sum += $1; low = $1 < low ? $1 : low; high = $1 > high ? $1 : high }
        END { printf "%.4f (%.4f)", sum / NR, high - low }'
}

# "yes", or what does not hold: bits per dimension within 0.01, the metric within its spread.
verdict() { # BITS BITS METRIC METRIC, of fp32 and bf16, as summary prints them
    echo "$1 $2 $3 $4" | tr -d '()' | awk '
        function apart(a, b) { return a > b ? a - b : b - a }
        { spread = $6 > $8 ? $6 : $8
          bits = apart($1, $3) > 0.01 ? "bits/dim" : ""
          metric = apart($5, $7) > spread ? "metric" : ""
          print bits == "" && metric == "" ? "yes" : "not " bits (bits != "" && metric != "" ? ", " : "") metric }'
}

model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
{
    echo "# fp32 and bf16"
    echo
    echo "\`sh results/precision.sh\`: at most $STEPS steps or $MINUTES minutes a run, seeds $SEEDS," \
        "on ${DATA:+published data where there are some, otherwise on }generated data; $model," \
        "$("$glowbench" --version). Means, and in brackets the largest minus the smallest of the seeds. \"Holds\":" \
        "bits per dimension are within 0.01, the metric within its spread."
    echo
    echo "| task | steps fp32 | bf16 | bits/dim fp32 | bf16 | metric | fp32 | bf16 | holds |"
    echo "|---|---:|---:|---:|---:|---|---:|---:|---|"
} >"$out/table.md"
for task in horses lfw denoise depth inpaint sr vessels; do
    case $task in
    horses) metric=mean_iou ;;
    lfw) metric=superpixel_accuracy ;;
    vessels) metric=f_score ;;
    *) metric=psnr ;;
    esac
    for seed in $SEEDS; do
        for precision in fp32 bf16; do
            train $task $precision "$seed"
        done
    done
    first=${SEEDS%% *}
    fp32_bits=$(summary $task fp32 bits_per_dimension) bf16_bits=$(summary $task bf16 bits_per_dimension)
    fp32=$(summary $task fp32 $metric) bf16=$(summary $task bf16 $metric)
    echo "| $task | $(steps $task fp32 "$first") | $(steps $task bf16 "$first")" \
        "| $fp32_bits | $bf16_bits | $metric | $fp32 | $bf16" \
        "| $(verdict "$fp32_bits" "$bf16_bits" "$fp32" "$bf16") |" >>"$out/table.md"
done
cp "$out/table.md" "$table"
cat "$table"
