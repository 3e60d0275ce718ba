// SPDX-License-Identifier: MIT
// A backend is a table of kernels. A model holds the table that it was built with, so two backends
// can live in one process. The native ones are scalar (the reference), avx2 and avx512.
#ifndef GB_BACKEND_H
#define GB_BACKEND_H

#include "kernels/actnorm/actnorm.h"
#include "kernels/adam/adam.h"
#include "kernels/conv/conv.h"
#include "kernels/coupling/coupling.h"
#include "kernels/fc/fc.h"
#include "kernels/gaussian/gaussian.h"
#include "kernels/mix/mix.h"
#include "kernels/pointwise/pointwise.h"
#include "kernels/random/random.h"
#include "kernels/squeeze/squeeze.h"

struct gb_backend {
    const char *name;
    const char *isa; // what its code needs, for people
    int lanes;       // floats per vector

    gb_conv_plan_fn conv_plan;
    gb_conv_plan_free_fn conv_plan_free;
    gb_conv_pack_fn conv_pack;
    gb_conv_unpack_fn conv_unpack;
    gb_conv_forward_fn conv_forward;
    gb_conv_backward_data_fn conv_backward_data;
    gb_conv_backward_weights_fn conv_backward_weights;
    gb_epilogue_backward_fn epilogue_backward;

    gb_fc_plan_fn fc_plan;
    gb_fc_plan_free_fn fc_plan_free;
    gb_fc_pack_fn fc_pack;
    gb_fc_unpack_fn fc_unpack;
    gb_fc_forward_fn fc_forward;
    gb_fc_backward_fn fc_backward;

    gb_mix_forward_fn mix_forward;
    gb_mix_backward_fn mix_backward;
    gb_actnorm_forward_fn actnorm_forward;
    gb_actnorm_inverse_fn actnorm_inverse;
    gb_actnorm_backward_fn actnorm_backward;
    gb_coupling_forward_fn coupling_forward;
    gb_coupling_inverse_fn coupling_inverse;
    gb_coupling_backward_fn coupling_backward;
    gb_squeeze_fn squeeze;
    gb_unsqueeze_fn unsqueeze;
    gb_gaussian_forward_fn gaussian_forward;
    gb_gaussian_backward_fn gaussian_backward;
    gb_gaussian_sample_fn gaussian_sample;
    gb_adam_fn adam;
    gb_add_fn add;
    gb_exp_fn exp;
    gb_random_uniform_fn random_uniform;
    gb_random_normal_fn random_normal;
};

// The backend called `name`; NULL or "" means $GB_BACKEND if set, else the best that this CPU
// supports. GB_UNSUPPORTED with a message where the name is unknown, not in this build, or not for
// this CPU; there is no fallback.
enum gb_status gb_backend_find(const char *name, const struct gb_backend **backend);

// All backends of this build, best first, ended by NULL, whether or not this CPU runs them.
const struct gb_backend *const *gb_backends(void);

// True if this CPU and operating system run it.
bool gb_backend_supported(const struct gb_backend *backend);

#endif
