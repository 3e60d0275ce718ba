// SPDX-License-Identifier: MIT
// What follows the sums of a convolution or a fully connected layer: a bias, a scale and an
// activation, fused into their stores, and its gradient.
#ifndef GB_EPILOGUE_H
#define GB_EPILOGUE_H

#include "kernels/operation.h"

enum gb_activation { GB_IDENTITY, GB_RELU, GB_LEAKY_RELU, GB_TANH };
extern const char *const gb_activation_names[]; // in problem texts; ended by NULL
static const float gb_leaky_slope = 0.2f;       // below zero; the CNF paper's value

// The epilogue's own gradient, for a layer whose successor did not fuse it: from dy, the gradient
// of y = act(scale * (u + bias)), and y itself,
//   du = dy * act'(y) * scale;  d_bias = sum of du;  d_log_scale = sum of dy * act'(y) * act^-1(y)
// (d_log_scale for GB_IDENTITY and GB_RELU only, where act^-1 is y; else it is NULL). d_bias and
// d_log_scale may be NULL and are as in gb_conv_input_epilogue; scale NULL is 1, du may be the same
// view as dy. All three views are floats; or du is bf16, and dy and y are both bf16 or both floats:
// du is rounded as it is stored, the sums are of what was rounded. The sums go over chunks of
// GB_EPILOGUE_CHUNK pixels first. Scratch: gb_epilogue_scratch_bytes.
enum { GB_EPILOGUE_CHUNK = 64 };
typedef void (*gb_epilogue_backward_fn)(const struct gb_exec *exec, enum gb_activation activation,
                                        const struct gb_tensor *dy, const struct gb_tensor *y,
                                        const float *scale, const struct gb_tensor *du,
                                        float *d_bias, float *d_log_scale);
size_t gb_epilogue_scratch_bytes(const struct gb_tensor *y);

// The shape of y; text "n2h16w16c256relu", and the format: GB_FLOATS, GB_BF16_OPERANDS (y is bf16)
// or GB_BF16_Y32.
struct gb_epilogue_problem {
    struct gb_image_problem image;
    enum gb_activation activation;
    enum gb_format format;
};

// True where d_log_scale exists.
static inline bool gb_has_log_scale(enum gb_activation activation) {
    return activation == GB_IDENTITY || activation == GB_RELU;
}

// ---- For definitions ----

// act(scale * sum); leaky ReLU is rounded to float.
struct gb_expected gb_activated(enum gb_activation activation, double scale,
                                struct gb_expected sum);
// The gradient of u = act^-1(x) / scale - bias from the gradient of x, as the epilogue makes it.
struct gb_expected gb_through_epilogue(enum gb_activation activation, double scale, double x,
                                       struct gb_expected dx);
// The epilogue's sums over all pixels of channel c, from the gradients `du` that it stored: d_bias,
// or d_log_scale, the sum of du / scale * act^-1(x).
struct gb_expected gb_epilogue_sum(const struct gb_call *call, enum gb_activation activation,
                                   const struct gb_tensor *du, const struct gb_tensor *x,
                                   double scale, bool log_scale, int c);
// Of one channel; `absent` where the operand is.
double gb_channel(const struct gb_call *call, int operand, int c, double absent);

#endif
