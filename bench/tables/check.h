// SPDX-License-Identifier: MIT
// Whether this build computes what earlier builds did.
#ifndef GB_RESULTS_CHECK_H
#define GB_RESULTS_CHECK_H

#include <stdbool.h>

#include "base/status.h"

// Trains a small model of every task for a few steps on synthetic data and scores it, on every
// native backend that the CPU supports, with one thread and with two, and compares each metric that
// is not a time with DIRECTORY/check.json: bitwise, except for decibels and trivial baselines, whose
// logarithms come from the C library (1e-12). A backend that the file does not have is compared with
// the scalar one within a bound that is printed. With `update` it writes the file. GB_CHECK_FAILED
// if a metric differs.
enum gb_status gb_results_reproduced(const char *directory, bool update);

#endif
