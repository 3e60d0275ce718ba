// SPDX-License-Identifier: MIT
// A benchmark is a struct: one problem on one backend with one thread count, and the functions that
// set it up, run it and check it. The catalogue makes them (bench/catalog/catalog.h), the runner
// times them (bench/runner/runner.h).
#ifndef GB_BENCHMARK_H
#define GB_BENCHMARK_H

#include "base/status.h"
#include "bench/peaks/peaks.h"
#include "kernels/arena.h"
#include "kernels/backend.h"

enum { GB_PROBLEM = 160, GB_WORD = 32, GB_MODEL = 48 }; // sizes of strings, with the final NUL
enum { GB_BORROWERS = 4 };                              // at most

// How often one training step of a model calls a problem.
struct gb_model_share {
    char model[GB_MODEL]; // task and size, "cglow-horses-32"
    int count;
};

struct gb_benchmark {
    // OPERATION/DIRECTION/SHAPE, "conv/forward/n2h32w32c256k256r1s1u1v1p0q0relu". Letters, digits
    // and "_/.-" only, so that it matches itself as a --filter.
    char problem[GB_PROBLEM];
    char operation[GB_WORD]; // "conv", "fc", "mix", ..., "layer", "step", "sample"
    char direction[GB_WORD]; // "forward", "backward_data", "backward_weights", "inverse", ...
    const struct gb_backend *backend; // NULL for the control row (bench/runner/control.h)
    int threads;
    // Of one run: the operations needed, a multiply-add counting as two, and the minimum traffic:
    // each operand read once, each result written once, what is updated in place both.
    double flops, bytes;
    double check_flops; // of what a check of a kernel computes in double precision, on one thread

    enum gb_traffic traffic; // which kind of bandwidth bounds those bytes
    const struct gb_model_share *shares;
    int share_count;
    // Selected backends that fall back to this kernel: it is timed once for all of them.
    const struct gb_backend *borrowers[GB_BORROWERS];
    int borrower_count;
    // Of a layer: the pass of a model that it is timed in, shared by the pass's layers. What
    // follows is then NULL, and the pass has the layer's backend and threads. NULL: it is timed
    // alone.
    const struct gb_benchmark *pass;
    void *description; // private to the producer, for setup

    // Makes a state to run, which teardown frees. It is called twice, as kernels/arena.h describes:
    // with an arena that only measures, then with one that has the memory. All operands are in the
    // arena, which is flushed from the caches before cold runs. The second call fills them (with
    // numbers that do not depend on backend or threads) and makes plans and primitives; the first
    // may leave that out. On failure there is no state.
    enum gb_status (*setup)(const struct gb_benchmark *benchmark, struct gb_arena *arena,
                            void **state);
    // What is timed, on benchmark->threads threads. Every run does the same work.
    void (*run)(void *state);
    // Runs once and compares the result with the reference: GB_CHECK_FAILED with a message if it
    // differs. Called before the first timed run and after the last, unless this build passed both
    // here before. NULL: nothing to check.
    enum gb_status (*check)(void *state);
    // What made a run fail, if one did. Called instead of the last check, for passes: their check
    // runs models of its own, and would find the same twice. NULL: runs cannot fail.
    enum gb_status (*failure)(void *state);
    // Seconds that the last run spent reordering operands for a vendor library
    // (gb_exec.reorder_seconds). NULL: not reported.
    double (*reorder_seconds)(void *state);
    // The algorithm that the kernel's plan chose (gb_operation.algorithm). NULL, or returns NULL,
    // if there is no choice to report.
    const char *(*algorithm)(void *state);
    // Of a pass that times its layers: forgets what it has timed, and returns the mean seconds of a
    // call of the layer with this problem since then (NAN without memory). NULL: it times none.
    void (*restart_layers)(void *state);
    double (*layer_seconds)(void *state, const char *problem);
    void (*teardown)(void *state);
};

#endif
