// SPDX-License-Identifier: MIT
// All kernels and all operations, put together from the lists that each operation's header ends
// with. X(entry, isa) is called for every entry of a backend's table, where gb_<entry>_f32__<isa>
// is the function and gb_<entry>_fn its type; X(operation) for every operation, where
// gb_<operation>_operation describes it (kernels/operation.h).
#ifndef GB_REGISTRY_H
#define GB_REGISTRY_H

#include "kernels/actnorm/actnorm.h"
#include "kernels/adam/adam.h"
#include "kernels/bernoulli/bernoulli.h"
#include "kernels/categorical/categorical.h"
#include "kernels/conv/conv.h"
#include "kernels/coupling/coupling.h"
#include "kernels/dequantise/dequantise.h"
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

// Entries that make, free or serve a plan, and entries that run.
#define GB_PLANS(X, isa)                                                                           \
    GB_CONV_PLANS(X, isa)                                                                          \
    GB_FC_PLANS(X, isa)                                                                            \
    GB_INV1X1_PLANS(X, isa)                                                                        \
    GB_POOL_PLANS(X, isa)                                                                          \
    GB_RESAMPLE_PLANS(X, isa)
#define GB_RUNS(X, isa)                                                                            \
    GB_CONV_KERNELS(X, isa)                                                                        \
    GB_FC_KERNELS(X, isa)                                                                          \
    GB_INV1X1_KERNELS(X, isa)                                                                      \
    GB_ACTNORM_KERNELS(X, isa)                                                                     \
    GB_COUPLING_KERNELS(X, isa)                                                                    \
    GB_SQUEEZE_KERNELS(X, isa)                                                                     \
    GB_POOL_KERNELS(X, isa)                                                                        \
    GB_RESAMPLE_KERNELS(X, isa)                                                                    \
    GB_MOMENTS_KERNELS(X, isa)                                                                     \
    GB_INSTANCE_NORM_KERNELS(X, isa)                                                               \
    GB_DEQUANTISE_KERNELS(X, isa)                                                                  \
    GB_GAUSSIAN_KERNELS(X, isa)                                                                    \
    GB_LOGISTIC_KERNELS(X, isa)                                                                    \
    GB_BERNOULLI_KERNELS(X, isa)                                                                   \
    GB_CATEGORICAL_KERNELS(X, isa)                                                                 \
    GB_ADAM_KERNELS(X, isa)                                                                        \
    GB_POINTWISE_KERNELS(X, isa)                                                                   \
    GB_RANDOM_KERNELS(X, isa)

#define GB_KERNELS(X, isa) GB_PLANS(X, isa) GB_RUNS(X, isa)

#define GB_OPERATIONS(X)                                                                           \
    GB_CONV_OPERATIONS(X)                                                                          \
    GB_FC_OPERATIONS(X)                                                                            \
    GB_INV1X1_OPERATIONS(X)                                                                        \
    GB_ACTNORM_OPERATIONS(X)                                                                       \
    GB_COUPLING_OPERATIONS(X)                                                                      \
    GB_SQUEEZE_OPERATIONS(X)                                                                       \
    GB_POOL_OPERATIONS(X)                                                                          \
    GB_RESAMPLE_OPERATIONS(X)                                                                      \
    GB_MOMENTS_OPERATIONS(X)                                                                       \
    GB_INSTANCE_NORM_OPERATIONS(X)                                                                 \
    GB_DEQUANTISE_OPERATIONS(X)                                                                    \
    GB_GAUSSIAN_OPERATIONS(X)                                                                      \
    GB_LOGISTIC_OPERATIONS(X)                                                                      \
    GB_BERNOULLI_OPERATIONS(X)                                                                     \
    GB_CATEGORICAL_OPERATIONS(X)                                                                   \
    GB_ADAM_OPERATIONS(X)                                                                          \
    GB_POINTWISE_OPERATIONS(X)                                                                     \
    GB_RANDOM_OPERATIONS(X)

#endif
