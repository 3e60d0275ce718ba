// SPDX-License-Identifier: MIT
// The control row: work that no build changes, timed along with every group of benchmarks. If it
// is slower than in another run, the machine was slower, and the comparison is inconclusive.
#ifndef GB_CONTROL_H
#define GB_CONTROL_H

#include "bench/runner/benchmark.h"

// "control/run/mix": every thread multiplies and adds in registers, and copies 2 MiB, for about
// half a millisecond each. On x86-64 the loops are fixed instructions at fixed alignments.
struct gb_benchmark gb_control_benchmark(int threads);

#endif
