// SPDX-License-Identifier: MIT
// What the run functions' contract says about their arguments, for assertions.
#ifndef GB_INV1X1_CONTRACT_H
#define GB_INV1X1_CONTRACT_H

#include "kernels/inv1x1/inv1x1.h"

// v (or dv) and u (or du) have the plan's shape, and exec brings the plan's scratch.
static inline bool gb_inv1x1_operands_fit(const struct gb_inv1x1_plan *plan,
                                          const struct gb_exec *exec, const struct gb_tensor *v,
                                          const struct gb_tensor *u) {
    const struct gb_image_problem *p = &plan->problem;
    return gb_has_shape(v, p->n, p->h, p->w, p->c) && gb_has_shape(u, p->n, p->h, p->w, p->c) &&
           exec->scratch_bytes >= plan->scratch_bytes;
}

#endif
