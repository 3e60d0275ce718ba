// SPDX-License-Identifier: MIT
// Benchmarks of single kernels: their operands, runs and checks, from the operation's description
// (kernels/operation.h).
//
// Operands are dense; problems do not name strides, since they hardly matter: on the slices that
// c-Glow uses, coupling, inv1x1 and Gaussian take 0 to 1 % longer, actnorm (1 to 17 us per forward
// run) 1 to 15 %. What models update in place is timed in place.
//
// The check compares outputs with the definition in double precision, within twice the kernel's own
// error bound (it states one rounding a term; two leave room for libraries that scale in another
// order), on a fixed sample where all elements would take more than GB_CHECK_PRODUCTS
// multiply-adds. Where Adam is fused, weights and moments must be bitwise what Adam makes of the
// stored gradient.
#ifndef GB_KERNEL_BENCHMARKS_H
#define GB_KERNEL_BENCHMARKS_H

#include "bench/runner/benchmark.h"
#include "kernels/trace.h"

enum { GB_CHECK_PRODUCTS = 1 << 23 };
#define GB_CHECK_LEARNING_RATE 1e-3f

// What a benchmark of a kernel describes.
struct gb_kernel_description {
    const struct gb_operation *operation;
    enum gb_direction direction;
    struct gb_any_problem problem;
};

// Makes a benchmark of "conv/forward/n2h...", except backend, threads and shares; the caller frees
// its description. GB_BAD_INPUT if the text is not the problem of a kernel.
enum gb_status gb_kernel_benchmark(const char *text, struct gb_benchmark *benchmark);
// The backend whose kernel runs for `backend`: itself, or its fallback if it lacks the kernel.
const struct gb_backend *gb_kernel_owner(const struct gb_benchmark *benchmark,
                                         const struct gb_backend *backend);
// Gives the benchmark the backend that owns its kernel.
void gb_kernel_place(struct gb_benchmark *benchmark, const struct gb_backend *owner);

#endif
