// SPDX-License-Identifier: MIT
// The backend's entries, with the contracts of conv.h, fc.h and inv1x1.h.
#ifndef GB_BLAS_LAYERS_H
#define GB_BLAS_LAYERS_H

#include "kernels/conv/conv.h"
#include "kernels/fc/fc.h"
#include "kernels/inv1x1/inv1x1.h"

// clang-format off
#define GB_BLAS_LAYERS(X)                                                                          \
    X(conv_plan) X(conv_plan_free) X(conv_pack) X(conv_unpack)                                     \
    X(conv_forward) X(conv_backward_data) X(conv_backward_weights)                                 \
    X(fc_plan) X(fc_plan_free) X(fc_pack) X(fc_unpack) X(fc_forward) X(fc_backward)                \
    X(inv1x1_plan) X(inv1x1_plan_free) X(inv1x1_forward) X(inv1x1_backward)
// clang-format on

#define GB_DECLARE_LAYER(entry) __typeof__(*(gb_##entry##_fn)0) gb_blas_##entry;
GB_BLAS_LAYERS(GB_DECLARE_LAYER)
#undef GB_DECLARE_LAYER

#endif
