// SPDX-License-Identifier: MIT
// Checks of the run functions' arguments, for assertions.
#ifndef GB_CONV_CONTRACT_H
#define GB_CONV_CONTRACT_H

#include "kernels/conv/conv.h"

// x (or dx) and y (or dy) have the plan's shapes, and exec brings the plan's scratch.
static inline bool gb_conv_operands_fit(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                        const struct gb_tensor *x, const struct gb_tensor *y) {
    const struct gb_conv_problem *p = &plan->problem;
    return gb_has_shape(x, p->n, p->h, p->w, p->c) &&
           gb_has_shape(y, p->n, plan->out_h, plan->out_w, p->k) &&
           exec->scratch_bytes >= gb_conv_scratch_bytes(plan, exec->threads);
}

// The log-scale's gradient takes an activation whose inverse is y.
static inline bool gb_conv_gradients_fit(enum gb_activation activation, const float *d_log_scale) {
    return !d_log_scale || activation == GB_IDENTITY || activation == GB_RELU;
}

// `epilogue` may be NULL.
static inline bool gb_conv_input_epilogue_fits(const struct gb_conv_input_epilogue *epilogue,
                                               const struct gb_tensor *dx) {
    return !epilogue || (gb_has_shape(epilogue->x, dx->n, dx->h, dx->w, dx->c) &&
                         gb_conv_gradients_fit(epilogue->activation, epilogue->d_log_scale));
}

// The gradient goes to one of two places.
static inline bool gb_conv_one_target(const float *d_packed, const struct gb_adam_target *update) {
    return !d_packed != !update;
}

#endif
