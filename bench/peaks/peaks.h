// SPDX-License-Identifier: MIT
// The machine's roofline, measured: peak multiply-adds and memory bandwidth.
#ifndef GB_PEAKS_H
#define GB_PEAKS_H

#include <jansson.h>
#include <stddef.h>

#include "base/status.h"
#include "bench/peaks/meter.h"
#include "kernels/operation.h"

// Measures with 1, 2, ... threads of `machine` (gb_machine_json): every count up to 8, beyond that
// powers of two and all; and with `threads` if that is not 0. Six seconds per count, with threads
// pinned. *report becomes a new JSON object, which the caller owns:
//   fma_fp32_gflops, fma_bf16_gflops (unless 0), triad_gbs, update_gbs   struct gb_peaks at all
//              threads
//   threads    all
//   fma        one object each: isa, precision ("fp32", "bf16": of the operands), threads, gflops
//   bandwidth  one object each: level ("L1", "L2", "L3", "memory"), threads, bytes (of the working
//              set, all threads together), read_gbs, copy_gbs, triad_gbs, update_gbs
// GB_OUT_OF_MEMORY; there is then no report.
enum gb_status gb_peaks_measure(const json_t *machine, int threads, json_t **report);

struct gb_peaks {
    double fma_fp32_gflops; // two FLOPs per multiply-add, with the best instruction set
    double fma_bf16_gflops; // the same with bf16 operands; 0: the CPU has no instructions for them
    double triad_gbs;       // a = b + s*c in memory: 12 bytes per element counted, 16 moved
    double update_gbs;      // three arrays read and written in place, as Adam does: 24 bytes
};

// The peaks of a report at a thread count that it has.
struct gb_peaks gb_peaks_at(const json_t *report, int threads);

// Ideal seconds of a training step: its FLOPs at the FMA peak (bf16: that of bf16 operands if there
// is one), then 24 bytes per parameter at the update bandwidth. A yardstick, not a bound: it leaves
// out activations.
double gb_ideal_step_seconds(const struct gb_peaks *peaks, bool bf16, double flops,
                             double parameters);

// ---- A brief measurement between the repetitions of a benchmark

// By enum gb_traffic: a line that is overwritten is read first, unless the kernel has read it
// anyway. On two cores of a Granite Rapids with 31 GB/s of memory bandwidth, reading counts 31,
// triad 31, and update, which writes as much again, 62; in L2 330, 220, 220.
struct gb_roofline {
    double fma_gflops; // fp32 multiply-adds of the best instruction set, two FLOPs each
    double gbs;
};

// The working set with which a machine's memory (gb_machine_json) is measured: four times the last
// cache, at least 768 MiB, at most an eighth of the memory.
size_t gb_memory_working_set(const json_t *machine);

struct gb_probe {
    struct gb_meter meter;
    struct gb_meter_job fma[GB_MAX_FMA_BODIES], streams[3]; // by gb_fma_bodies, enum gb_traffic
};

// Prepares to measure with `threads` threads, which should be pinned, in `working_set` bytes of
// memory divided among them, at least 24 KiB each. GB_OUT_OF_MEMORY; there is then no probe.
enum gb_status gb_probe_open(struct gb_probe *probe, int threads, size_t working_set);

// The current peaks for this kind of traffic: the second best of twelve trials of half a
// millisecond each, 17 ms in all, over the working set as a benchmark's repetitions pass over it.
struct gb_roofline gb_probe_run(struct gb_probe *probe, enum gb_traffic traffic);

// The current GFLOP/s of gb_fma_bodies()[body], in the same way, in 6 ms.
double gb_probe_fma(struct gb_probe *probe, int body);

void gb_probe_close(struct gb_probe *probe);

#endif
