// SPDX-License-Identifier: MIT
// What the run functions' contract says about their arguments, for assertions.
#ifndef GB_POOL_CONTRACT_H
#define GB_POOL_CONTRACT_H

#include "kernels/pool/pool.h"

// x (or dx) and y (or dy) have the plan's shapes, and exec brings the plan's scratch.
static inline bool gb_pool_operands_fit(const struct gb_pool_plan *plan, const struct gb_exec *exec,
                                        const struct gb_tensor *x, const struct gb_tensor *y) {
    const struct gb_pool_problem *p = &plan->problem;
    return gb_has_shape(x, p->n, p->h, p->w, p->c) &&
           gb_has_shape(y, p->n, gb_pool_out(p->h, p), gb_pool_out(p->w, p), p->c) &&
           exec->scratch_bytes >= plan->scratch_bytes;
}

#endif
