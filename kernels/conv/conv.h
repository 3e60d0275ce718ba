// SPDX-License-Identifier: MIT
// Convolution (cross-correlation, as the field uses the word) with zero padding, forward and both
// gradients, followed by a fused per-channel affine map and activation:
//
//   y[n, i, j, o] = act(scale[o] * (bias[o] + sum over (a, b, q) of
//                       x[n, i*stride_h + a - pad_h, j*stride_w + b - pad_w, q] * w[o, q, a, b]))
//
// plan() fixes the algorithms, block sizes, the layout of packed weights and the scratch size for a
// shape, once; pack() brings PyTorch's OIHW weights into that layout; the run functions then work on
// packed weights only, so that parameters can live in it from start to end.
#ifndef GB_CONV_H
#define GB_CONV_H

#include "base/status.h"
#include "kernels/adam/adam.h"
#include "kernels/conv/algorithm.h"
#include "kernels/operation.h"
#include "kernels/parallel.h"
#include "kernels/tensor.h"

enum gb_activation { GB_IDENTITY, GB_RELU, GB_LEAKY_RELU, GB_TANH };
extern const char *const gb_activation_names[]; // in problem texts; ended by NULL
static const float gb_leaky_slope = 0.2f;       // below zero; the CNF paper's value
// For definitions; leaky ReLU is rounded to float.
double gb_activate(enum gb_activation activation, double u);

struct gb_conv_problem {
    int n, h, w, c; // input
    int k;          // output channels
    int kernel_h, kernel_w, stride_h, stride_w;
    int pad_h, pad_w; // rows above and below, columns left and right
    enum gb_activation activation;
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

// GB_BAD_INPUT with a message if a size is below 1 (padding: 0) or above 2^20, if the padding is not
// smaller than the kernel or the kernel is larger than the padded image, or if input, output or
// weights have 2^31 floats or more.
enum gb_status gb_conv_check(const struct gb_conv_problem *p);

// The problem as text, "n2h16w16c12k256r3s3u1v1p1q1relu", and back (gb_problem_print and _parse).
void gb_conv_print(const struct gb_conv_problem *p, char text[static GB_PROBLEM_TEXT]);
enum gb_status gb_conv_parse(const char *text, struct gb_conv_problem *p);

struct gb_conv_plan {
    struct gb_conv_problem problem;
    int out_h, out_w;
    size_t weight_floats; // packed weights, padding included; padding lanes hold zeros
    // Scratch that gb_exec must bring to a run function, when run on `threads` threads:
    // shared + threads * thread bytes; the largest of the three run functions.
    size_t shared_bytes, thread_bytes;
    struct gb_conv_choice forward, backward_data, backward_weights;
    struct gb_conv_native native; // of the native vector backends
    // What a vendor library's backend keeps with the plan, such as its primitives; freed by
    // conv_plan_free. Executions write to it, so that a plan is executed by one caller at a time (a
    // layer has its own). Native backends: NULL.
    void *library;
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
// `threads`: the most that an execution (gb_exec) will have. Native kernels take fewer as well; a
// vendor library may run on this many whatever the execution says, so a plan for a job inside
// gb_parallel_jobs is made for 1.
typedef enum gb_status (*gb_conv_plan_fn)(const struct gb_conv_problem *problem, int threads,
                                          struct gb_conv_plan *plan);
typedef void (*gb_conv_plan_free_fn)(struct gb_conv_plan *plan);

// oihw: k*c*kernel_h*kernel_w floats; packed: plan->weight_floats. unpack is the inverse, and
// serves gradients and Adam's moments, which have the same layout.
typedef void (*gb_conv_pack_fn)(const struct gb_conv_plan *plan, const float *oihw, float *packed);
typedef void (*gb_conv_unpack_fn)(const struct gb_conv_plan *plan, const float *packed,
                                  float *oihw);

// `epilogue` is not NULL; its members may be. Overwrites y.
typedef void (*gb_conv_forward_fn)(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                   const struct gb_tensor *x, const float *packed,
                                   const struct gb_conv_epilogue *epilogue,
                                   const struct gb_tensor *y);

// dy here and below is the gradient of the convolution's own output u (before bias, scale and
// activation): gb_epilogue_backward or a gb_conv_input_epilogue made it. `epilogue` may be NULL.
// Overwrites dx.
typedef void (*gb_conv_backward_data_fn)(const struct gb_conv_plan *plan,
                                         const struct gb_exec *exec, const struct gb_tensor *dy,
                                         const float *packed,
                                         const struct gb_conv_input_epilogue *epilogue,
                                         const struct gb_tensor *dx);

// Weight gradient in the packed layout. With update == NULL it is written to d_packed. Otherwise
// d_packed is NULL: the gradient stays in cache-sized slices of scratch, and Adam is applied to
// packed weights and moments slice by slice, bitwise identical to storing it first.
typedef void (*gb_conv_backward_weights_fn)(const struct gb_conv_plan *plan,
                                            const struct gb_exec *exec, const struct gb_tensor *x,
                                            const struct gb_tensor *dy, float *d_packed,
                                            const struct gb_adam_target *update);

// The epilogue's own gradient, for a layer whose successor did not fuse it: from dy, the gradient
// of y = act(scale * (u + bias)), and y itself,
//   du = dy * act'(y) * scale;  d_bias = sum of du;  d_log_scale = sum of dy * act'(y) * act^-1(y)
// (d_log_scale for GB_IDENTITY and GB_RELU only, where act^-1 is y; else it is NULL). d_bias and
// d_log_scale may be NULL and are as in gb_conv_input_epilogue; scale NULL is 1, du may be the same
// view as dy. The sums go over chunks of GB_EPILOGUE_CHUNK pixels first. Scratch:
// gb_epilogue_scratch_bytes.
enum { GB_EPILOGUE_CHUNK = 64 };
typedef void (*gb_epilogue_backward_fn)(const struct gb_exec *exec, enum gb_activation activation,
                                        const struct gb_tensor *dy, const struct gb_tensor *y,
                                        const float *scale, const struct gb_tensor *du,
                                        float *d_bias, float *d_log_scale);
size_t gb_epilogue_scratch_bytes(const struct gb_tensor *y);

// The shape of y; text "n2h16w16c256relu".
struct gb_epilogue_problem {
    struct gb_image_problem image;
    enum gb_activation activation;
};

// For kernels/registry.h.
#define GB_CONV_PLANS(X, isa)                                                                      \
    X(conv_plan, isa)                                                                              \
    X(conv_plan_free, isa)                                                                         \
    X(conv_pack, isa)                                                                              \
    X(conv_unpack, isa)
#define GB_CONV_KERNELS(X, isa)                                                                    \
    X(conv_forward, isa)                                                                           \
    X(conv_backward_data, isa)                                                                     \
    X(conv_backward_weights, isa)                                                                  \
    X(epilogue_backward, isa)
#define GB_CONV_OPERATIONS(X) X(conv) X(epilogue)
extern const struct gb_operation gb_conv_operation;
extern const struct gb_operation gb_epilogue_operation;

#endif
