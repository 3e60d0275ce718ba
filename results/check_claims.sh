#!/bin/sh
# SPDX-License-Identifier: MIT
# Checks the claims of README.md, which results/ARTIFACT.md lists with their numbers, and ends with
# PASS or FAIL. With --quick, those that take under ten minutes each. Claims about real data need the
# data sets; claims about times need an otherwise idle machine.
#
#     sh results/check_claims.sh [--quick] [--data DIR] [CLAIM...]
set -u

results=$(cd "$(dirname "$0")" && pwd)
: "${GLOWBENCH:=$results/../build/release/bench/glowbench}"
quick=false
data=
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=true ;;
    --data)
        data=${2?--data DIR}
        shift
        ;;
    --*)
        echo "usage: sh results/check_claims.sh [--quick] [--data DIR] [CLAIM...]" >&2
        exit 2
        ;;
    *) break ;;
    esac
    shift
done
if [ ! -x "$GLOWBENCH" ]; then
    echo "$GLOWBENCH: missing; build it first: sh bench/run.sh --quick" >&2
    exit 2
fi
chosen=" $* "
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
passed=0
failed=0
skipped=0
# Figures are bitwise those of the repository where the default backend is avx512.
exact=false
! "$GLOWBENCH" info | grep -q 'avx512 .*the default' || exact=true

# result CLAIM pass|fail|skip TEXT
result() {
    printf '%-4s %-4s %s\n' "$1" "$2" "$3"
    case $2 in
    pass) passed=$((passed + 1)) ;;
    fail) failed=$((failed + 1)) ;;
    *) skipped=$((skipped + 1)) ;;
    esac
}

# wanted CLAIM MINUTES: it was chosen, and is short enough.
wanted() {
    [ "$chosen" = "  " ] || case $chosen in *" $1 "*) ;; *) return 1 ;; esac
    if $quick && [ "$2" -ge 10 ]; then
        result "$1" skip "takes $2 minutes"
        return 1
    fi
}

# near NAME FOUND EXPECTED TOLERANCE: prints "NAME FOUND, expected EXPECTED"; false if it is not.
near() {
    echo "$1 $2, expected $3 within $4"
    awk -v a="$2" -v b="$3" -v t="$4" 'BEGIN { exit !(a != "" && a - b <= t + 1e-12 && b - a <= t + 1e-12) }'
}

# metric DIR NAME
metric() {
    sed -n "s/^ *\"$2\": \([-+.e0-9]*\),*\$/\1/p" "$1/run.json" | head -n 1
}

tiny='--size 16 --levels 2 --steps 1 --n-c 8 --n-w 16 --coupling-channels 16 --samples 2'

# 1: the table of README.md's start, by small models on generated data. Exact with AVX-512.
if wanted 1 5; then
    if "$GLOWBENCH" run --out "$work/run" >"$work/log" 2>&1; then
        text=''
        verdict=pass
        while read -r task bits score; do
            t=0.00005
            s=0.00005
            $exact || t=0.02
            line=$(near "$task" "$(metric "$work/run/$task" bits_per_dimension)" "$bits" $t) || verdict=fail text="$text; bits of $line"
            case $task in
            horses) name=mean_iou ;;
            lfw) name=superpixel_accuracy ;;
            vessels) name=f_score ;;
            *) name=psnr ;;
            esac
            $exact || case $name in psnr) s=0.5 ;; *) s=0.02 ;; esac
            line=$(near "$task" "$(metric "$work/run/$task" $name)" "$score" $s) || verdict=fail text="$text; $line"
        done <<END
$(sed -n '/^    task  *steps/,/^$/s/^    \([a-z]*\)  *[0-9][0-9]*  *[0-9.]* M  *[0-9.]*  *\([-0-9.]*\)  *\([0-9.]*\) .*/\1 \2 \3/p' "$results/../README.md")
END
        result 1 $verdict "bits and scores of seven tasks are those of README.md${text}"
    else
        result 1 fail "glowbench run: $(tail -n 1 "$work/log")"
    fi
fi

# 2: thread counts, a stop and a resume change no bit.
if wanted 2 1; then
    for threads in 1 2; do
        # shellcheck disable=SC2086 # options without blanks
        "$GLOWBENCH" train horses $tiny --iters 200 --threads $threads --out "$work/t$threads" >"$work/log" 2>&1
    done
    # shellcheck disable=SC2086 # options without blanks
    "$GLOWBENCH" train horses $tiny --iters 90 --out "$work/stopped" >"$work/log" 2>&1
    "$GLOWBENCH" train horses --resume --iters 200 --samples 2 --out "$work/stopped" >"$work/log" 2>&1
    if cmp -s "$work/t1/checkpoint.safetensors" "$work/t2/checkpoint.safetensors" &&
        cmp -s "$work/t1/checkpoint.safetensors" "$work/stopped/checkpoint.safetensors"; then
        result 2 pass "bitwise identical with 1 and 2 threads, and after a stop"
    else
        result 2 fail "thread counts or a resume change the checkpoint"
    fi
fi

# 3: models trained on every task are bitwise those of the repository.
if wanted 3 3; then
    if "$GLOWBENCH" tables --check --results "$results" >"$work/log" 2>&1; then
        result 3 pass "tables --check: $(tail -n 1 "$work/log")"
    elif [ $? -eq 3 ]; then
        result 3 skip "$(tail -n 1 "$work/log")"
    else
        result 3 fail "tables --check: $(tail -n 1 "$work/log")"
    fi
fi

# 4: every result of a kernel, layer and step is checked before it is timed.
if wanted 4 4; then
    if "$GLOWBENCH" bench --suite quick --check always --json "$work/rows.jsonl" >"$work/log" 2>&1; then
        result 4 pass "bench --suite quick: $(tail -n 1 "$work/log")"
    else
        result 4 fail "bench --suite quick: $(tail -n 1 "$work/log")"
    fi
fi

# 5: rows become scores and a page.
if wanted 5 4; then
    [ -s "$work/rows.jsonl" ] ||
        "$GLOWBENCH" bench --suite quick --budget 60s --json "$work/rows.jsonl" >"$work/log" 2>&1
    if "$GLOWBENCH" score "$work/rows.jsonl" >"$work/log" 2>&1 &&
        "$GLOWBENCH" report "$work/rows.jsonl" --html "$work/report.html" >"$work/log" 2>&1 && [ -s "$work/report.html" ]; then
        result 5 pass "score and report of these rows"
    else
        result 5 fail "score or report: $(tail -n 1 "$work/log")"
    fi
fi

# 6: equal builds are not called slower.
if wanted 6 3; then
    cp "$GLOWBENCH" "$work/base"
    cp "$GLOWBENCH" "$work/new"
    printf '\n' >>"$work/new" # other bytes, so that it is timed
    "$GLOWBENCH" ab --base "$work/base" --new "$work/new" --filter '^conv/forward/' --model cglow-horses-32 \
        --budget 2min --out "$work/pairs" >"$work/log" 2>&1
    case $? in
    0) result 6 pass "ab of a build with itself: exit code 0" ;;
    2)
        if grep -q inconclusive "$work/log"; then
            result 6 skip "ab is inconclusive: $(tail -n 1 "$work/log")"
        else
            result 6 fail "ab of a build with itself: $(tail -n 1 "$work/log")"
        fi
        ;;
    *) result 6 fail "ab of a build with itself: exit code not 0: $(tail -n 1 "$work/log")" ;;
    esac
fi

# 7: a step in bf16 is faster than in fp32 where the CPU multiplies bf16.
if wanted 7 1; then
    if grep -q avx512_bf16 /proc/cpuinfo; then
        "$GLOWBENCH" bench --kind steps --model cglow-horses-64 --backend avx512 --threads 1 --cache warm --reps 7 \
            --json "$work/fp32.jsonl" >"$work/log" 2>&1
        "$GLOWBENCH" bench --kind steps --model cglow-horses-64 --backend avx512 --threads 1 --cache warm --reps 7 \
            --precision bf16 --json "$work/bf16.jsonl" >>"$work/log" 2>&1
        ratio=$(sed -n 's/.*"problem":"step.*"median_seconds":\([-+.e0-9]*\).*/\1/p' "$work/fp32.jsonl" "$work/bf16.jsonl" |
            awk 'NR == 1 { a = $1 } NR == 2 { print a / $1 }')
        if awk -v r="$ratio" 'BEGIN { exit !(r >= 1.2) }'; then
            result 7 pass "a step in bf16 is $ratio times as fast as in fp32, expected 1.2 or more"
        else
            result 7 fail "a step in bf16 is ${ratio:-?} times as fast as in fp32, expected 1.2 or more"
        fi
    else
        result 7 skip "this CPU does not multiply bf16"
    fi
fi

# Rows of the tables, trained again on real data. Exact with AVX-512.
# row CLAIM MINUTES RUN METRIC EXPECTED TOLERANCE
row() {
    wanted "$1" "$2" || return 0
    if [ -z "$data" ]; then
        result "$1" skip "$3 needs --data DIR"
        return 0
    fi
    command=$(sed -n "s/^{\"run\": \"$3\", .*\"command\": \"glowbench \([^\"]*\)\".*/\1/p" "$results/rows.jsonl")
    # shellcheck disable=SC2046 # options without blanks
    (cd "$results/.." && "$GLOWBENCH" $(echo "$command" | sed "s,DIR/splits,results/splits,; s,DIR,$data,g") --out "$work/$3") \
        >"$work/log" 2>&1
    tolerance=$6
    $exact || tolerance=$(awk -v t="$6" 'BEGIN { print 10 * t }')
    if line=$(near "$3: $4" "$(metric "$work/$3" "$4")" "$5" "$tolerance"); then
        result "$1" pass "$line"
    else
        result "$1" fail "$line; $(tail -n 1 "$work/log")"
    fi
}
row 8 2 horses-32-fcn mean_iou 0.704 0.0005
row 9 2 lfw-32-fcn superpixel_accuracy 0.904 0.0005
row 10 3 sr-32-srcnn Set5_psnr 35.2 0.05
row 11 25 horses-32-live mean_iou 0.833 0.0005
row 12 26 lfw-32-cglow superpixel_accuracy 0.906 0.0005
row 13 102 denoise-128-cglow psnr 27.42 0.005
row 14 50 depth-96-cglow psnr 49.59 0.005
row 15 17 inpaint-64-cglow psnr 17.82 0.005
row 16 55 sr-32-cnf-small Set5_psnr 35.7 0.05
row 17 24 vessels-cnf f_score 0.766 0.0005

if [ $failed -gt 0 ]; then
    echo "FAIL: $failed of $((passed + failed)) claims; $skipped skipped"
    exit 1
fi
echo "PASS: $passed claims; $skipped skipped"
