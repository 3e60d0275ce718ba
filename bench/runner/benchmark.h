// SPDX-License-Identifier: MIT
// A benchmark is a struct: one problem on one backend with a number of threads, and the functions
// that set it up, run it and check it. The catalogue makes them (bench/catalog/catalog.h), the
// runner times them (bench/runner/runner.h).
#ifndef GB_BENCHMARK_H
#define GB_BENCHMARK_H

#include "base/status.h"
#include "bench/peaks/peaks.h"
#include "kernels/arena.h"
#include "kernels/backend.h"

enum { GB_PROBLEM = 160, GB_WORD = 32, GB_MODEL = 48 }; // sizes of texts, with their final NUL
enum { GB_BORROWERS = 4 };                              // at most

// How often one training step of a model has a problem.
struct gb_inv1x1_share {
    char model[GB_MODEL]; // task and size, "cglow-horses-32"
    int count;
};

struct gb_benchmark {
    // OPERATION/DIRECTION/SHAPE, "conv/forward/n2h32w32c256k256r1s1u1v1p0q0relu". Letters, digits
    // and "_/.-" only, so that as a --filter it finds itself.
    char problem[GB_PROBLEM];
    char operation[GB_WORD]; // "conv", "fc", "mix", ..., "layer", "step", "sample"
    char direction[GB_WORD]; // "forward", "backward_data", "backward_weights", "inverse", ...
    const struct gb_backend *backend; // NULL for the control row (bench/runner/control.h)
    int threads;
    // Of one run: the operations that are needed, a multiply-add counted as two, and the least
    // traffic: each operand read once, each result written once, one updated in place both.
    double flops, bytes;
    // Of what a check computes by the plain reference, on one thread. 0: a layer or a pass that
    // would take too long there is held against another native backend (gb_backend_other).
    double check_flops;
    enum gb_traffic traffic; // what those bytes are like, and so which bandwidth is their wall
    const struct gb_inv1x1_share *shares;
    int share_count;
    // Backends asked for that run this kernel too, since they lack one: it is timed once for all.
    const struct gb_backend *borrowers[GB_BORROWERS];
    int borrower_count;
    void *description; // the producer's own, for setup

    // Makes a state to run. It is called twice, in the way of kernels/arena.h: first with an arena
    // that only measures, so that all pieces are NULL, then with one that has the memory. Either
    // call makes a state of its own, which teardown frees. Operands lie in the arena alone: that is
    // what a cold run has to find outside the caches. The second call fills them (numbers that
    // depend on the problem alone, not on the backend or the threads) and makes plans and
    // primitives; the first may leave that out. On failure there is no state.
    enum gb_status (*setup)(const struct gb_benchmark *benchmark, struct gb_arena *arena,
                            void **state);
    // What is timed, on benchmark->threads threads. Run any number of times, it does the same work.
    void (*run)(void *state);
    // Runs once and compares what comes out with the reference: GB_CHECK_FAILED with a message
    // where it differs. Called before the first timed run and after the last. NULL: nothing to
    // check.
    enum gb_status (*check)(void *state);
    // Seconds that the last run spent on reordering operands for a foreign library
    // (gb_exec.reorder_seconds). NULL: it does not tell.
    double (*reorder_seconds)(void *state);
    void (*teardown)(void *state);
};

#endif
