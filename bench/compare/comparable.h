// SPDX-License-Identifier: MIT
// What two sets of rows must have in common before their times are compared.
#ifndef GB_COMPARABLE_H
#define GB_COMPARABLE_H

#include "bench/compare/comparison.h"

// The keys of gb_machine_json and of a row's build that distinguish machines and builds. A
// comparison is between builds of different commits, whose launches may be days and a system update
// apart; the columns of a report are of one build on one system.
extern const char *const gb_compared_machine[], *const gb_compared_build[];
extern const char *const gb_reported_machine[], *const gb_reported_build[];

// The first of the keys (ended by NULL) whose values differ; NULL if none do.
const char *gb_first_difference(const json_t *a, const json_t *b, const char *const *keys);

struct gb_allowed {
    bool other_machine, other_build;
};

// The rows of each file must come from one machine, one build and one version of each backend's
// library (GB_BAD_INPUT); both files must come from the same machine (CPU and caches) and the same
// kind of build (type, compiler, flags, versions of the backends' libraries) unless `allowed`
// (GB_NOT_COMPARABLE).
enum gb_status gb_rows_comparable(const struct gb_rows rows[GB_SIDES],
                                  const char *const names[GB_SIDES],
                                  const struct gb_allowed *allowed);

// "3%" or "3" as the ratio 1.03. GB_BAD_INPUT unless it is a number from 0.1 to 100.
enum gb_status gb_threshold_parse(const char *text, double *ratio);
#define GB_THRESHOLD "3%" // the default

// Prints which build the rows come from.
void gb_rows_print_origin(const char *side, const char *name, const struct gb_rows *rows);

#endif
