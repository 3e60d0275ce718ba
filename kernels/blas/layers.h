// SPDX-License-Identifier: MIT
// The backend's entries, with the contracts of conv.h, fc.h and inv1x1.h. Plans of products also
// take what the kernels need of the fallback (product.h).
#ifndef GB_BLAS_LAYERS_H
#define GB_BLAS_LAYERS_H

#include "kernels/conv/conv.h"
#include "kernels/fc/fc.h"
#include "kernels/inv1x1/inv1x1.h"

#define GB_BLAS_LAYERS(X)                                                                          \
    X(conv_plan_free)                                                                              \
    X(conv_pack)                                                                                   \
    X(conv_unpack)                                                                                 \
    X(conv_forward)                                                                                \
    X(conv_backward_data)                                                                          \
    X(conv_backward_weights)                                                                       \
    X(fc_plan_free)                                                                                \
    X(fc_pack)                                                                                     \
    X(fc_unpack)                                                                                   \
    X(fc_forward)                                                                                  \
    X(fc_backward)                                                                                 \
    X(inv1x1_plan)                                                                                 \
    X(inv1x1_plan_free)                                                                            \
    X(inv1x1_forward)                                                                              \
    X(inv1x1_backward)

#define GB_DECLARE_LAYER(entry) __typeof__(*(gb_##entry##_fn)0) gb_blas_##entry;
GB_BLAS_LAYERS(GB_DECLARE_LAYER)
#undef GB_DECLARE_LAYER

struct gb_blas_fallback;
enum gb_status gb_blas_conv_plan(const struct gb_blas_fallback *fallback,
                                 const struct gb_conv_problem *problem, int threads,
                                 struct gb_conv_plan *plan);
enum gb_status gb_blas_fc_plan(const struct gb_blas_fallback *fallback,
                               const struct gb_fc_problem *problem, int threads,
                               struct gb_fc_plan *plan);

#endif
