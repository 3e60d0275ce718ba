// SPDX-License-Identifier: MIT
// Convolution (cross-correlation, as the field uses the word) with zero padding, forward and both
// gradients, followed by a fused per-channel affine map and activation:
//
//   y[n, i, j, o] = act(scale[o] * (bias[o] + sum over (a, b, q) of
//                       x[n, i*stride_h + a - pad_h, j*stride_w + b - pad_w, q] * w[o, q, a, b]))
//
// plan() fixes the algorithms, block sizes, the layout of packed weights and the scratch size for a
// shape, once; pack() brings PyTorch's OIHW weights into that layout; the run functions then work
// on packed weights only, so that parameters can live in it from start to end.
#ifndef GB_CONV_H
#define GB_CONV_H

#include "kernels/adam/adam.h"
#include "kernels/conv/algorithm.h"
#include "kernels/epilogue/epilogue.h"

// Text "n2h16w16c12k256r3s3u1v1p1q1relu", and the format.
struct gb_conv_problem {
    int n, h, w, c; // input
    int k;          // output channels
    int kernel_h, kernel_w, stride_h, stride_w;
    int pad_h, pad_w; // rows above and below, columns left and right
    enum gb_activation activation;
    // x and dx, and y, have the format's types; dy is bf16 with bf16 operands, float otherwise.
    enum gb_format format;
};

static inline int gb_conv_out_h(const struct gb_conv_problem *p) {
    return (p->h + 2 * p->pad_h - p->kernel_h) / p->stride_h + 1;
}
static inline int gb_conv_out_w(const struct gb_conv_problem *p) {
    return (p->w + 2 * p->pad_w - p->kernel_w) / p->stride_w + 1;
}

// Floating-point operations of one pass (forward, or either gradient): two for every
// multiply-add of a tap inside the image.
double gb_conv_flops(const struct gb_conv_problem *p);

// Work of one pass as gb_threads_for counts it: 32 operations in the time of a float, 160 GFLOPS.
static inline size_t gb_conv_work(const struct gb_conv_problem *p) {
    enum { FLOPS_PER_FLOAT = 32 };
    return (size_t)(gb_conv_flops(p) / FLOPS_PER_FLOAT);
}

struct gb_bf16_unit; // kernels/bf16/units.h

struct gb_conv_plan {
    struct gb_conv_problem problem;
    int out_h, out_w;
    size_t weight_floats;            // packed weights, padding included; padding lanes hold zeros
    const struct gb_bf16_unit *unit; // that runs the plan; NULL with float operands
    // Scratch that gb_exec must bring to a run function, when run on `threads` threads:
    // shared + threads * thread bytes; the largest of the three run functions.
    size_t shared_bytes, thread_bytes;
    struct gb_conv_choice forward, backward_data, backward_weights;
    // What the backend keeps with the plan; freed by conv_plan_free. Native backends: the sizes of
    // their blocks, only read by runs. Vendor libraries: primitives, which executions write to, so
    // that a plan is executed by one caller at a time (a layer has its own).
    void *backend_data;
};
static inline size_t gb_conv_scratch_bytes(const struct gb_conv_plan *plan, int threads) {
    return plan->shared_bytes + (size_t)threads * plan->thread_bytes;
}

// What the plan chose in a direction; NULL for a direction that convolutions lack.
// GB_BACKWARD_UPDATE is the weight gradient.
const struct gb_conv_choice *gb_conv_choice_of(const struct gb_conv_plan *plan,
                                               enum gb_direction direction);
// Its name, for gb_operation.algorithm; NULL if the backend does not report one.
const char *gb_conv_algorithm(const void *plan, enum gb_direction direction);

// Operands of the fused epilogue. bias and scale have gb_round_up(k, GB_CHANNEL_PAD) readable
// floats, padding zero; NULL means 0 and 1. The activation is the problem's.
struct gb_conv_epilogue {
    const float *bias, *scale;
};

// What backward_data fuses for the layer that made its input x, where that layer was itself
// x = act(scale * (u + bias)) of these kernels: dx is multiplied by act'(x) (computed from x), the
// product with u's affine map undone is summed over all pixels into
//   d_bias[q]      = sum of dx * act'(x) * scale[q]
//   d_log_scale[q] = sum of dx * act'(x) * (scale * (u + bias))      (GB_IDENTITY and GB_RELU only)
// and what is stored in dx is dx * act'(x) * scale, the gradient of u. Every sum has one fixed
// order. NULL members are not computed; scale NULL means 1.
struct gb_conv_input_epilogue {
    enum gb_activation activation;
    const struct gb_tensor *x;   // the input as forward saw it
    const float *scale;          // readable to the channel padding
    float *d_bias, *d_log_scale; // gb_round_up(c, GB_CHANNEL_PAD) floats; overwritten, padding zero
};

// The functions below are entries of a backend's table (kernels/backend.h). Common contract: `x`,
// `y`, `dx`, `dy` are views of the plan's shapes with any strides (pixel stride >= channels);
// outputs do not overlap inputs; packed arrays are 64-byte aligned; only the view's own channels
// are written. Error bound per element: (K + 8) * 2^-24 * sum of |products|, K the number of
// products summed. Native kernels may take 3x3 convolutions of stride 1 by Winograd's F(2x2, 3x3)
// tiles: there every product counts with all inputs (of the data gradient: dy) within two pixels,
// and with the whole 3x3 filter of its channels. Small integers are exact either way.
// `backend`: the table that the entry is in, whose fallback a vendor library's plan takes.
// `threads`: the most that an execution (gb_exec) will have. Native kernels take fewer as well; a
// vendor library may run on this many whatever the execution says, so a plan for a job inside
// gb_parallel_jobs is made for 1. GB_BAD_INPUT with a message if a size is below 1 (padding: 0) or
// above 2^20, if the padding is not smaller than the kernel or the kernel is larger than the padded
// image, or if input, output or weights have 2^31 floats or more.
typedef enum gb_status (*gb_conv_plan_fn)(const struct gb_backend *backend,
                                          const struct gb_conv_problem *problem, int threads,
                                          struct gb_conv_plan *plan);
typedef void (*gb_conv_plan_free_fn)(struct gb_conv_plan *plan);

// oihw: k*c*kernel_h*kernel_w floats; packed: plan->weight_floats. unpack is the inverse, and
// serves gradients and Adam's moments, which have the same layout.
typedef void (*gb_conv_pack_fn)(const struct gb_conv_plan *plan, const float *oihw, float *packed);
typedef void (*gb_conv_unpack_fn)(const struct gb_conv_plan *plan, const float *packed,
                                  float *oihw);

// Below, `packed` are weight_floats floats, or with bf16 operands as many split weights
// (kernels/bf16/bf16.h), whose high halves are read. The error bound is then that of the rounded
// operands; results in bf16 are rounded once more.

// `epilogue` is not NULL; its members may be. Overwrites y.
typedef void (*gb_conv_forward_fn)(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                   const struct gb_tensor *x, const void *packed,
                                   const struct gb_conv_epilogue *epilogue,
                                   const struct gb_tensor *y);

// dy here and below is the gradient of the convolution's own output u (before bias, scale and
// activation): gb_epilogue_backward or a gb_conv_input_epilogue made it. `epilogue` may be NULL.
// Overwrites dx.
typedef void (*gb_conv_backward_data_fn)(const struct gb_conv_plan *plan,
                                         const struct gb_exec *exec, const struct gb_tensor *dy,
                                         const void *packed,
                                         const struct gb_conv_input_epilogue *epilogue,
                                         const struct gb_tensor *dx);

// Weight gradient in the packed layout. With update == NULL it is written to d_packed. Otherwise
// d_packed is NULL: the gradient stays in cache-sized slices of scratch, and Adam is applied to
// packed weights and moments slice by slice, bitwise identical to storing it first.
typedef void (*gb_conv_backward_weights_fn)(const struct gb_conv_plan *plan,
                                            const struct gb_exec *exec, const struct gb_tensor *x,
                                            const struct gb_tensor *dy, float *d_packed,
                                            const struct gb_adam_target *update);

// ---- What runs assert ----

// x (or dx) and y (or dy) have the plan's shapes, and exec brings the plan's scratch.
static inline bool gb_conv_operands_fit(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                        const struct gb_tensor *x, const struct gb_tensor *y) {
    const struct gb_conv_problem *p = &plan->problem;
    return gb_has_shape(x, p->n, p->h, p->w, p->c) && x->type == gb_x_type(p->format) &&
           gb_has_shape(y, p->n, plan->out_h, plan->out_w, p->k) &&
           exec->scratch_bytes >= gb_conv_scratch_bytes(plan, exec->threads);
}

// `epilogue` may be NULL.
static inline bool gb_conv_input_epilogue_fits(const struct gb_conv_input_epilogue *epilogue,
                                               const struct gb_tensor *dx) {
    return !epilogue || (gb_has_shape(epilogue->x, dx->n, dx->h, dx->w, dx->c) &&
                         epilogue->x->type == dx->type &&
                         (!epilogue->d_log_scale || gb_has_log_scale(epilogue->activation)));
}

// The gradient goes to one of two places.
static inline bool gb_conv_one_target(const float *d_packed, const struct gb_adam_target *update) {
    return !d_packed != !update;
}

#endif
