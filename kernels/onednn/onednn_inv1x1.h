// SPDX-License-Identifier: MIT
// inv1x1 by oneDNN, with the contract of inv1x1.h.
#ifndef GB_ONEDNN_INV1X1_H
#define GB_ONEDNN_INV1X1_H

#include "kernels/inv1x1/inv1x1.h"

__typeof__(*(gb_inv1x1_plan_fn)0) gb_onednn_inv1x1_plan;
__typeof__(*(gb_inv1x1_plan_free_fn)0) gb_onednn_inv1x1_plan_free;
__typeof__(*(gb_inv1x1_forward_fn)0) gb_onednn_inv1x1_forward;
__typeof__(*(gb_inv1x1_backward_fn)0) gb_onednn_inv1x1_backward;

#endif
