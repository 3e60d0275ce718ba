// SPDX-License-Identifier: MIT
// Selections of a catalogue's benchmarks. They depend on the models alone, so results of different
// machines have the same problems.
#ifndef GB_SUITE_H
#define GB_SUITE_H

#include "bench/catalog/catalog.h"

struct gb_suite {
    const char *name;
    // Of the kernels of each operation and direction: the heaviest that together have this share of
    // its weight; at least one.
    double kernel_share;
    // Steps, samples and layers of the first of a model's cases alone ("cglow" of
    // "cglow-horses-32").
    bool first_cases;
    // Steps and samples of baselines, and of more FLOPs, are timed on native backends alone, layers
    // of more not at all.
    double pass_flops;
    // The defaults of bench's options.
    const char *cache;
    bool one_thread;  // also one thread, besides all CPUs
    bool best_native; // of the native backends only the default one
    int repetitions;
};

// "quick", "standard" or "full". GB_BAD_INPUT if unknown.
enum gb_status gb_suite_find(const char *name, const struct gb_suite **suite);

// Removes from the catalogue what the suite leaves out. `models`: those that it was made of, ended
// by one without a name.
enum gb_status gb_suite_select(const struct gb_suite *suite, const struct gb_model_case *models,
                               struct gb_catalog *catalog);

// Keeps the heaviest problems whose rows together take at most `seconds`, by `cost` of a row, and
// at least one.
enum gb_status gb_catalog_trim(struct gb_catalog *catalog, const struct gb_model_case *models,
                               double seconds,
                               double (*cost)(const struct gb_benchmark *row, void *argument),
                               void *argument);

#endif
