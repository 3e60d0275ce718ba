// SPDX-License-Identifier: MIT
// Checks of the run functions' arguments, for assertions.
#ifndef GB_FC_CONTRACT_H
#define GB_FC_CONTRACT_H

#include "kernels/fc/fc.h"

// x (or dx) and y (or dy) have the plan's shapes, and exec brings the plan's scratch.
static inline bool gb_fc_operands_fit(const struct gb_fc_plan *plan, const struct gb_exec *exec,
                                      const struct gb_tensor *x, const struct gb_tensor *y) {
    const struct gb_fc_problem *p = &plan->problem;
    return gb_has_shape(x, p->n, p->h, p->w, p->c) && x->pixel == x->c &&
           x->row == x->w * x->pixel && gb_has_shape(y, p->n, 1, 1, p->k) &&
           exec->scratch_bytes >= gb_fc_scratch_bytes(plan, exec->threads);
}

// The gradient goes to one of two places; Adam updates the weights that dx is computed from.
static inline bool gb_fc_one_target(const float *packed, const float *d_packed,
                                    const struct gb_adam_target *update) {
    return update ? !d_packed && packed == update->weights : d_packed != NULL;
}

#endif
