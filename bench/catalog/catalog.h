// SPDX-License-Identifier: MIT
// The list of benchmarks, made from the models themselves (bench/catalog/models.h): a training step
// and a sampling pass of each are traced (kernels/trace.h), which gives every kernel's problem and
// how often a step has it.
#ifndef GB_CATALOG_H
#define GB_CATALOG_H

#include "bench/catalog/models.h"
#include "bench/runner/benchmark.h"

enum gb_catalog_kind {
    GB_CATALOG_KERNELS = 1,
    GB_CATALOG_LAYERS = 2,  // "layer/...": a layer of a flow with its networks
    GB_CATALOG_STEPS = 4,   // "step/...": a training step
    GB_CATALOG_SAMPLES = 8, // "sample/...": a sampling pass
    GB_CATALOG_ALL = 15,
};

struct gb_catalog_request {
    const struct gb_backend *const *backends; // ended by NULL
    const int *threads;
    int thread_count;
    // A problem's whole text, which selects that problem alone and need not be in any model; or a
    // POSIX extended regular expression that is searched for in the problems of the models. NULL:
    // all of these.
    const char *filter;
    enum gb_type precision; // of the models; bf16, too, where `filter` ends in "_bf16"
    unsigned kinds;         // enum gb_catalog_kind, or-ed; they do not bind a whole text
    const struct gb_model_case *models; // ended by one without a name; NULL: gb_model_cases()
};

struct gb_catalog {
    struct gb_benchmark *list; // by problem, then backend, then number of threads
    int count;
    void *memory; // what the list points to
};

// Each distinct problem once for every backend and thread count. A kernel that a backend lacks is
// listed for its fallback alone, requested or not (struct gb_benchmark's borrowers). Shares: a
// weight gradient with Adam fused ("backward_update"), as steps have it, and stored
// ("backward_weights", for fully connected layers "backward"), as libraries offer it, count alike,
// so geometric means are taken over one operation and direction; "inverse" and "sample" count their
// calls in a pass that draws as many samples as a step has targets. GB_BAD_INPUT if the filter is
// not a regular expression or selects nothing; GB_OUT_OF_MEMORY. On failure there is nothing to
// free.
enum gb_status gb_catalog_make(const struct gb_catalog_request *request,
                               struct gb_catalog *catalog);

void gb_catalog_free(struct gb_catalog *catalog);

#endif
