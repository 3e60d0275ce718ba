// SPDX-License-Identifier: MIT
// Fully connected layer on a small batch: y[n, o] = act(bias[o] + sum over i of x[n, i] * w[o, i]).
// The input is an NHWC image view. PyTorch flattens it in the order channel, row, column: pack()
// permutes the weights' columns to match the view, so that the data stays as it is.
#ifndef GB_FC_H
#define GB_FC_H

#include "kernels/adam/adam.h"
#include "kernels/epilogue/epilogue.h"

// Text "n2h1w1c128k64relu"; with bf16 operands "_bf16" follows. Tensors are floats either way: x
// and dy are small, and rounded in scratch.
struct gb_fc_problem {
    int n;       // samples
    int h, w, c; // input; a plain vector has h = w = 1
    int k;       // outputs
    enum gb_activation activation;
    int bf16; // not 0: bf16 operands
};

static inline size_t gb_fc_inputs(const struct gb_fc_problem *p) {
    return (size_t)p->h * (size_t)p->w * (size_t)p->c;
}

struct gb_bf16_unit; // kernels/bf16/units.h

struct gb_fc_plan {
    struct gb_fc_problem problem;
    size_t weight_floats;            // packed, padding included; padding holds zeros
    const struct gb_bf16_unit *unit; // that runs the plan; NULL with float operands
    // Scratch that gb_exec must provide, as in struct gb_conv_plan.
    size_t shared_bytes, thread_bytes;
    void *backend_data; // as in struct gb_conv_plan; native backends: NULL
};
static inline size_t gb_fc_scratch_bytes(const struct gb_fc_plan *plan, int threads) {
    return plan->shared_bytes + (size_t)threads * plan->thread_bytes;
}

// Entries of a backend's table. x and dx: n x h x w x c, dense within an image; y and dy:
// n x 1 x 1 x k. The rest as for convolution, error bound included. out_by_in: PyTorch's weight,
// k rows of c*h*w. bias: gb_round_up(k, GB_CHANNEL_PAD) readable floats; NULL means 0. The plan:
// GB_BAD_INPUT with a message if a size is below 1 or above 2^20, or if input, output or weights
// have 2^31 floats or more.
typedef enum gb_status (*gb_fc_plan_fn)(const struct gb_backend *backend,
                                        const struct gb_fc_problem *problem, int threads,
                                        struct gb_fc_plan *plan);
typedef void (*gb_fc_plan_free_fn)(struct gb_fc_plan *plan);
typedef void (*gb_fc_pack_fn)(const struct gb_fc_plan *plan, const float *out_by_in, float *packed);
typedef void (*gb_fc_unpack_fn)(const struct gb_fc_plan *plan, const float *packed,
                                float *out_by_in);
typedef void (*gb_fc_forward_fn)(const struct gb_fc_plan *plan, const struct gb_exec *exec,
                                 const struct gb_tensor *x, const void *packed, const float *bias,
                                 const struct gb_tensor *y);

// Both gradients in one pass over the weights. dx (NULL: not computed) is overwritten; it uses the
// weights from before an update. The weight gradient is stored in d_packed or, with `update`,
// applied by Adam row by row while it is in cache, bitwise identical to Adam on the stored
// gradient; then `packed` and update->weights are the same array, and d_packed is NULL. dy is the
// gradient before bias and activation, as epilogue_backward returns it. Memory traffic with
// `update`: 28 bytes per weight.
typedef void (*gb_fc_backward_fn)(const struct gb_fc_plan *plan, const struct gb_exec *exec,
                                  const struct gb_tensor *x, const struct gb_tensor *dy,
                                  void *packed, const struct gb_tensor *dx, float *d_packed,
                                  const struct gb_adam_target *update);

// ---- What runs assert ----

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
