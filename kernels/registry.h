// SPDX-License-Identifier: MIT
// All kernels and all operations. X(entry, isa) is called for every entry of a backend's table,
// where gb_<entry>__<isa> is the function and gb_<entry>_fn its type; X(operation) for every
// operation, where gb_<operation>_operation describes it (kernels/operation.h).
#ifndef GB_REGISTRY_H
#define GB_REGISTRY_H

#include "kernels/actnorm/actnorm.h"
#include "kernels/adam/adam.h"
#include "kernels/bernoulli/bernoulli.h"
#include "kernels/categorical/categorical.h"
#include "kernels/conv/conv.h"
#include "kernels/coupling/coupling.h"
#include "kernels/dequantise/dequantise.h"
#include "kernels/epilogue/epilogue.h"
#include "kernels/fc/fc.h"
#include "kernels/gaussian/gaussian.h"
#include "kernels/instance_norm/instance_norm.h"
#include "kernels/inv1x1/inv1x1.h"
#include "kernels/logistic/logistic.h"
#include "kernels/moments/moments.h"
#include "kernels/pointwise/pointwise.h"
#include "kernels/pool/pool.h"
#include "kernels/random/random.h"
#include "kernels/resample/resample.h"
#include "kernels/squeeze/squeeze.h"

// clang-format off
// Entries that make, free or serve a plan.
#define GB_PLANS(X, isa)                                                                           \
    X(conv_plan, isa) X(conv_plan_free, isa) X(conv_pack, isa) X(conv_unpack, isa)                 \
    X(fc_plan, isa) X(fc_plan_free, isa) X(fc_pack, isa) X(fc_unpack, isa)                         \
    X(inv1x1_plan, isa) X(inv1x1_plan_free, isa)                                                   \
    X(max_pool_plan, isa) X(max_pool_plan_free, isa)                                               \
    X(upsample_plan, isa) X(upsample_plan_free, isa)
// Entries that run.
#define GB_RUNS(X, isa)                                                                            \
    X(conv_forward, isa) X(conv_backward_data, isa) X(conv_backward_weights, isa)                  \
    X(epilogue_backward, isa)                                                                      \
    X(fc_forward, isa) X(fc_backward, isa)                                                         \
    X(inv1x1_forward, isa) X(inv1x1_backward, isa)                                                 \
    X(actnorm_forward, isa) X(actnorm_inverse, isa) X(actnorm_backward, isa)                       \
    X(coupling_forward, isa) X(coupling_inverse, isa) X(coupling_backward, isa)                    \
    X(squeeze, isa) X(unsqueeze, isa)                                                              \
    X(max_pool_forward, isa) X(max_pool_backward, isa)                                             \
    X(upsample_forward, isa) X(upsample_backward, isa) X(resample, isa)                            \
    X(moments, isa)                                                                                \
    X(instance_norm_forward, isa) X(instance_norm_inverse, isa) X(instance_norm_backward, isa)     \
    X(dequantise_forward, isa) X(dequantise_inverse, isa) X(dequantise_backward, isa)              \
    X(gaussian_forward, isa) X(gaussian_backward, isa) X(gaussian_sample, isa)                     \
    X(logistic_forward, isa) X(logistic_backward, isa) X(logistic_sample, isa)                     \
    X(bernoulli_forward, isa) X(bernoulli_backward, isa) X(bernoulli_mean, isa)                    \
    X(bernoulli_sample, isa)                                                                       \
    X(categorical_forward, isa) X(categorical_backward, isa) X(categorical_mean, isa)              \
    X(adam, isa)                                                                                   \
    X(add, isa) X(add_scaled, isa) X(exp, isa) X(sum_squares, isa)                                 \
    X(random_uniform, isa) X(random_normal, isa)

#define GB_KERNELS(X, isa) GB_PLANS(X, isa) GB_RUNS(X, isa)

#define GB_OPERATIONS(X)                                                                           \
    X(conv) X(epilogue) X(fc) X(inv1x1) X(actnorm) X(coupling) X(squeeze) X(max_pool) X(upsample)  \
    X(moments) X(instance_norm) X(dequantise) X(gaussian) X(logistic) X(bernoulli) X(categorical)  \
    X(adam) X(add) X(add_scaled) X(exp) X(sum_squares) X(random_uniform) X(random_normal)
// clang-format on

#define GB_DECLARE(name) extern const struct gb_operation gb_##name##_operation;
GB_OPERATIONS(GB_DECLARE)
#undef GB_DECLARE

#endif
