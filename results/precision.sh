#!/bin/sh
# SPDX-License-Identifier: MIT
# Trains a model of every task in fp32 and in bf16 from the same seeds and prints a table of bits per
# dimension and metric of both. Each run ends after STEPS steps or MINUTES; interrupted, the same
# command resumes. On generated data; with $DATA, on the published sets that it has, laid out as
# bench/README.md says.
#
#     STEPS=2000 MINUTES=10 SEEDS="0 1 2" sh results/precision.sh [GLOWBENCH [DIRECTORY]]
set -eu

results=$(cd "$(dirname "$0")" && pwd)
glowbench=${1:-$results/../build/release/bench/glowbench}
out=${2:-out/precision}
: "${STEPS:=2000}" "${MINUTES:=10}" "${SEEDS:=0 1 2}" "${DATA:=}"

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

# The number under a key of run.json.
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

echo "| task | steps | bits/dim fp32 | bf16 | metric | fp32 | bf16 |"
echo "|---|---:|---:|---:|---|---:|---:|"
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
    echo "| $task | $(number $task fp32 "$first" steps), $(number $task bf16 "$first" steps)" \
        "| $(summary $task fp32 bits_per_dimension) | $(summary $task bf16 bits_per_dimension)" \
        "| $metric | $(summary $task fp32 $metric) | $(summary $task bf16 $metric) |"
done
