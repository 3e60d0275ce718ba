// SPDX-License-Identifier: MIT
// Whether this build computes what builds before it did.
#ifndef GB_SAME_BITS_H
#define GB_SAME_BITS_H

#include <stdbool.h>

#include "base/status.h"

// Trains a small model of every task for a few steps on drawn data and scores it, on every native
// backend that the CPU runs, with one thread and with two, and compares each metric that is no time
// with FOLDER/check.json: to the last bit, but for decibels and trivial baselines, whose logarithms
// are the C library's (1e-12); a backend of which the file tells nothing is held to the scalar one
// by the bound that is printed. With `update` it writes the file. GB_CHECK_FAILED where a metric
// differs.
enum gb_status gb_same_bits(const char *directory, bool update);

#endif
