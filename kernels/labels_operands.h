// SPDX-License-Identifier: MIT
// The operands of the likelihoods of labels from logits, for their descriptions.
#ifndef GB_LABELS_OPERANDS_H
#define GB_LABELS_OPERANDS_H

#include "kernels/operation.h"

enum { FORWARD_Y, FORWARD_LOGITS, FORWARD_LOG_LIKELIHOOD };
static const struct gb_operand forward_operands[] = {
    {"y", GB_IN, .fill = GB_FILL_MASK, .dims = gb_dims_image},
    {"logits", GB_IN, .fill = GB_FILL_LOGITS, .dims = gb_dims_image},
    {"log_likelihood", GB_SUM, .dims = gb_dims_samples},
    {0},
};

enum { BACKWARD_Y, BACKWARD_LOGITS, BACKWARD_D_LOG_LIKELIHOOD, BACKWARD_D_LOGITS };
static const struct gb_operand backward_operands[] = {
    {"y", GB_IN, .fill = GB_FILL_MASK, .dims = gb_dims_image},
    {"logits", GB_IN, .fill = GB_FILL_LOGITS, .dims = gb_dims_image},
    {"d_log_likelihood", GB_IN, GB_ROW, .dims = gb_dims_samples},
    {"d_logits", GB_OUT, .dims = gb_dims_image, .in_place_of = {"logits"}},
    {0},
};

enum { MEAN_LOGITS, MEAN_MEAN };
static const struct gb_operand mean_operands[] = {
    {"logits", GB_IN, .fill = GB_FILL_LOGITS, .dims = gb_dims_image},
    {"mean", GB_OUT, .dims = gb_dims_image, .in_place_of = {"logits"}},
    {0},
};

#endif
