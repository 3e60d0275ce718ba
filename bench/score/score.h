// SPDX-License-Identifier: MIT
// Scores: a few composite figures of each backend, from rows of results. A score is the geometric
// mean of a throughput over the problems of its kind and precision that the rows have, all weighted
// alike, so scores of one suite are comparable.
#ifndef GB_SCORE_H
#define GB_SCORE_H

#include <stdint.h>

#include "bench/report/summary.h"

enum { GB_SCORES = 6 };

struct gb_score {
    const char *name, *unit;         // "c-Glow training", "images/s"
    const struct gb_column *backend; // the summary's
    int threads;
    enum gb_type precision; // of multiplied operands: GB_F32 or GB_BF16
    int problems, timed;  // of any backend at this thread count; those that this one has a time for
    uint64_t problem_set; // the same for the same problems
    int samples;          // launches, or of a single launch repetitions
    bool fallback;        // some kernels are those of the native backend
    // The Hodges-Lehmann estimate, and its interval by the signed-rank test (GB_SCORE_CONFIDENCE):
    // NAN with fewer than 6 samples. All NAN unless every problem is timed: a backend could win by
    // failing where it is slow.
    double value, low, high;
    double share_of_peak; // geometric mean of the rows' shares
    double watts;         // geometric mean of the power while they were timed; NAN unless all know
};
#define GB_SCORE_CONFIDENCE 0.95

struct gb_scores {
    struct gb_score *list; // by thread count, then precision, score and backend
    int count;
};

// Of the rows that the summary was made of, with warm caches, or inside steps. To be freed by
// free(scores->list). GB_OUT_OF_MEMORY.
enum gb_status gb_scores_make(const struct gb_summary *summary, const struct gb_rows *rows,
                              struct gb_scores *scores);

#endif
