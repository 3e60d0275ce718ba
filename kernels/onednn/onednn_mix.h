// SPDX-License-Identifier: MIT
// Channel mixing by oneDNN; the contract is that of mix.h.
#ifndef GB_ONEDNN_MIX_H
#define GB_ONEDNN_MIX_H

#include "kernels/mix/mix.h"

__typeof__(*(gb_mix_plan_fn)0) gb_onednn_mix_plan;
__typeof__(*(gb_mix_plan_free_fn)0) gb_onednn_mix_plan_free;
__typeof__(*(gb_mix_forward_fn)0) gb_onednn_mix_forward;
__typeof__(*(gb_mix_backward_fn)0) gb_onednn_mix_backward;

#endif
