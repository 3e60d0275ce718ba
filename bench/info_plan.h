// SPDX-License-Identifier: MIT
// `glowbench info --plan PROBLEM`.
#ifndef GB_INFO_PLAN_H
#define GB_INFO_PLAN_H

#include "kernels/backend.h"

// Prints what the plan of a convolution decides for `threads` threads: algorithm, block sizes,
// scratch. `problem` is "conv/DIRECTION/SHAPE", or "conv/SHAPE" for all directions. GB_BAD_INPUT
// where it is not a problem of this kind; whatever the plan may fail with.
enum gb_status gb_print_plan(const char *problem, const struct gb_backend *backend, int threads);

#endif
