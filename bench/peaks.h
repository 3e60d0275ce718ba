// SPDX-License-Identifier: MIT
// The machine's walls, measured: how fast it multiplies and adds, and how fast it moves memory.
#ifndef GB_PEAKS_H
#define GB_PEAKS_H

#include <jansson.h>

#include "kernels/status.h"

// Measures with 1, `threads` and all threads of `machine` (gb_machine_json); threads 0: only the
// other two. *report becomes a new JSON object, which the caller owns:
//   fma_fp32_gflops, triad_gbs, update_gbs   struct gb_peaks at all threads
//   threads    all
//   fma        one object each: isa, threads, gflops
//   bandwidth  one object each: level ("L1", "L2", "L3", "memory"), threads, array_bytes (of each of
//              three arrays, all threads together), read_gbs (4 bytes an element), copy_gbs (8),
//              triad_gbs, update_gbs
// A figure is the best of the trials in 0.2 s. Threads are not pinned; each works on arrays of its
// own, which it touches first. About ten seconds. GB_OUT_OF_MEMORY; then there is no report.
enum gb_status gb_peaks_measure(const json_t *machine, int threads, json_t **report);

struct gb_peaks {
    double fma_fp32_gflops; // two FLOPs a multiply-add, by the best instruction set
    double triad_gbs;       // a = b + s*c in memory: 12 bytes an element counted, 16 moved
    double update_gbs;      // three arrays read and written in place, as Adam does: 24 bytes
};

// Those of a report at a number of threads that it measured.
struct gb_peaks gb_peaks_at(const json_t *report, int threads);

// Seconds that a training step would take at the walls: its FLOPs at the FMA peak, and then 24
// bytes a parameter at the update bandwidth. A yardstick, not a bound: it leaves out activations.
double gb_ideal_step_seconds(const struct gb_peaks *peaks, double flops, double parameters);

#endif
