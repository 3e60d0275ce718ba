// SPDX-License-Identifier: MIT
// What the run functions' contract says about their arguments, for assertions.
#ifndef GB_RESAMPLE_CONTRACT_H
#define GB_RESAMPLE_CONTRACT_H

#include "kernels/resample/resample.h"

// x (or dx) and y (or dy) have the plan's shapes, and exec brings the plan's scratch.
static inline bool gb_upsample_operands_fit(const struct gb_upsample_plan *plan,
                                            const struct gb_exec *exec, const struct gb_tensor *x,
                                            const struct gb_tensor *y) {
    const struct gb_upsample_problem *p = &plan->problem;
    return gb_has_shape(x, p->n, p->h, p->w, p->c) &&
           gb_has_shape(y, p->n, p->h * p->factor, p->w * p->factor, p->c) &&
           exec->scratch_bytes >= plan->scratch_bytes;
}

#endif
