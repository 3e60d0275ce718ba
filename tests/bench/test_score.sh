#!/bin/sh
# SPDX-License-Identifier: MIT
# `glowbench score` on made-up rows: figures, intervals, missing problems and formats.
#
#     sh tests/bench/test_score.sh GLOWBENCH
set -eu
. "$(dirname "$0")/../support/script.sh"

# rows FILE [NAME=VALUE...]: a file of rows, of three convolutions of 2, 4 and 6 ms and a MFLOP each.
rows() {
    file=$1
    shift
    awk -f "$tests/rows.awk" "$@" >"$file"
}

rows base
gives 0 '^convolutions  *avx2  *3  *0\.2[78] GFLOP/s  0\.2[67] \.\. 0\.2[78]  *14%$' score base --csv csv \
    --markdown markdown --json json
has markdown '| convolutions | fp32 | 1 | avx2 | 3 | 0.2'
has json '"name": "convolutions"' '"samples": 9' '"precision": "fp32"'
# value FILE: the score in a file of CSV; its interval has it.
value() {
    awk -F, 'NR == 2 && $11 <= $10 && $10 <= $12 { print $10 }' "$1"
}
before=$(value csv)
awk -v value="$before" 'BEGIN { exit !(value > 0.2725 && value < 0.278) }' || complain "not the mean: $before"
# The same launches with every convolution 5 % slower.
rows slow operation=conv factor=1.05
gives 0 '^convolutions' score slow --csv csv
awk -v ratio="$before/$(value csv)" 'BEGIN { split(ratio, n, "/"); r = n[1] / n[2]; exit !(r > 1.0499 && r < 1.0501) }' ||
    complain "not 5 % slower: $before, $(value csv)"
rows failed error=3
gives 0 '^convolutions  *avx2  *2 of 3  *- GFLOP/s  -  *-$' score failed
rows single launches=1
gives 0 '^convolutions  *avx2  *3  *0\.2[78] GFLOP/s  -  *14%$' score single
rows other cpu=B
gives 0 '^B, commit' score base other
[ "$(grep -c '^convolutions  *avx2' out)" -eq 2 ] || complain "not two machines"
# Problems in bf16 have scores of their own; a step's images stand before the format.
sed 's/forward\/n3/forward\/n3_bf16/; s/fc\/forward\/n2/step\/train\/cglow-x-8b4_bf16/' base >both
gives 0 '^bf16, 1 thread ' score both --csv csv
for line in '^fp32, 1 thread ' '^convolutions  *avx2  *2 ' '^convolutions  *avx2  *1 ' \
    '^c-Glow training  *avx2  *1  *13[0-9][0-9] images/s'; do
    grep -q "$line" out || complain "no line $line"
done
[ "$(grep -c ',bf16,$' csv)" -eq 2 ] || complain "not two scores of bf16"
sed 's/"launch"/"label":"west","launch"/' both >west
gives 0 '^convolutions bf16, GFLOP/s  *1 .* 1\.00x .* 1\.00x$' score both west
# Side by side: ratios only where both have the same problems.
rows half cpu=B operation=conv factor=0.5
gives 0 '^convolutions, GFLOP/s  1        fastest  0\.2[78] 1\.00x  0\.5[4-6] [12]\.[90][0-9]x$' score base half
rows fewer cpu=B missing=3
gives 0 '^convolutions, GFLOP/s  1        fastest  0\.2[78] 1\.00x  0\.[0-9]* -$' score base fewer
gives 0 '^B: A (baseline)$' score half base --baseline A --cost-per-hour A=2 --cost-per-hour B=1 --markdown m
gives 2 'bad value: --baseline: "C" is unknown; machines: A, B$' score base other --baseline C
gives 2 'bad value: --cost-per-hour: "A" is not NAME=X' score base other --cost-per-hour A
# Energy, where it was measured: 0.04 J in 0.04 s are 1 W.
sed 's/"launch"/"repetition_seconds":0.04,"joules":0.04,"launch"/' base >measured
gives 0 '^convolutions, GFLOP/s  *watt  0\.2[78]$' score measured --json json --csv csv
has json '"watts": 1.0'
has csv ',precision,watts' ',fp32,1'
gives 0 '^convolutions, GFLOP/s  *watt  0\.2[78] 1\.00x  -$' score measured half
gives 0 '^convolutions' score base --json json
! grep -q watt json out || complain "watts that were not measured"
# No line is wider than 80 columns: of six machines the last ones follow below.
for label in one two three four five; do sed "s/\"launch\"/\"label\":\"$label\",\"launch\"/" half >"half.$label"; done
gives 0 '^score  *threads  backend  *[D-F]  *[E-F]' score base half.*
[ "$(grep -c '^score  *threads  backend' out)" -eq 2 ] || complain "not two lines of machines: $(cat out)"
! grep -E '^.{81}' out || complain "wider than 80 columns"
# Two builds of a machine are told apart by the commit, two machines of a kind by their labels.
rows newer commit=2
gives 0 '^B: A, commit 2$' score base newer
sed 's/"launch"/"label":"west","launch"/' base >labelled
gives 0 '^B: west$' score base labelled
# product FILE NAME: the rows with the firmware's name of the machine.
product() {
    sed "s/\"caches\":/\"system\":{\"product\":\"$2\"},\"caches\":/" "$1"
}
product base 'Amazon EC2 c7i.xlarge' >small
product base 'Amazon EC2 c7i.2xlarge' >large
product newer 'Amazon EC2 c7i.xlarge' >small.newer
gives 0 '^B: A, Amazon EC2 c7i.2xlarge$' score small large --csv csv
has out 'A: A, Amazon EC2 c7i.xlarge (baseline)' product '  B  Amazon EC2 c7i.2xlarge' \
    'A, Amazon EC2 c7i.2xlarge, commit 1: '
has csv '"A, Amazon EC2 c7i.2xlarge",1,'
gives 0 '^B: A, commit 2$' score small small.newer
gives 0 '^C: A, Amazon EC2 c7i.xlarge, commit 2$' score small large small.newer
grep -v '"conv"' base >none
gives 2 '^glowbench: cannot score: none: no steps, samples, convolutions or layers' score none
gives 2 '^glowbench: cannot read rows: absent: No such file' score absent
gives 2 '^glowbench: missing operand: ROWS' score
finish
