// SPDX-License-Identifier: MIT
#include "kernels/squeeze/squeeze.h"

#include "kernels/trace.h"

static enum gb_status squeeze_check(const void *problem) {
    const struct gb_image_problem *p = problem;
    if (p->h % 2 || p->w % 2)
        return gb_fail(GB_BAD_INPUT, "invalid problem size", "squeeze",
                       "%dx%d pixels do not divide into blocks of 2x2", p->h, p->w);
    return gb_image_check(p);
}

// ---- Operands ----

static struct gb_dims dims_deep(const struct gb_call *call) {
    const struct gb_image_problem *p = call->problem;
    return (struct gb_dims){p->n, p->h / 2, p->w / 2, 4 * p->c};
}

enum { FORWARD_WIDE, FORWARD_DEEP };
static const struct gb_operand forward_operands[] = {
    {"wide", GB_IN, .dims = gb_dims_image}, {"deep", GB_OUT, .dims = dims_deep}, {0}};

enum { INVERSE_DEEP, INVERSE_WIDE };
static const struct gb_operand inverse_operands[] = {
    {"deep", GB_IN, .dims = dims_deep}, {"wide", GB_OUT, .dims = gb_dims_image}, {0}};

GB_CALL(forward, squeeze, call->exec, gb_view(call, FORWARD_WIDE), gb_view(call, FORWARD_DEEP))
GB_CALL(inverse, unsqueeze, call->exec, gb_view(call, INVERSE_DEEP), gb_view(call, INVERSE_WIDE))

// ---- Definition ----

GB_DEFINITION(forward) {
    const int dy = at[3] % 4 / 2, dx = at[3] % 2;
    const int wide[] = {at[0], 2 * at[1] + dy, 2 * at[2] + dx, at[3] / 4};
    return gb_within(gb_value(call, FORWARD_WIDE, wide), 0);
}

GB_DEFINITION(inverse) {
    const int deep[] = {at[0], at[1] / 2, at[2] / 2, 4 * at[3] + at[1] % 2 * 2 + at[2] % 2};
    return gb_within(gb_value(call, INVERSE_DEEP, deep), 0);
}

// ----

const struct gb_operation gb_squeeze_operation = {
    .name = "squeeze",
    .what = "squeeze",
    .kernels =
        {
            GB_KERNEL(GB_FORWARD, squeeze, forward, .costs = {{0, 2}}, .reference_bits = true,
                      .extremes = true),
            GB_KERNEL(GB_INVERSE, unsqueeze, inverse, .costs = {{0, 2}}, .reference_bits = true,
                      .extremes = true),
        },
    .problem_bytes = sizeof(struct gb_image_problem),
    .sizes = gb_image_problem_sizes,
    .check = squeeze_check,
    // Deep images of the sizes of GB_IMAGE_EDGES, and thus four times their channels.
    .edges = GB_TEXTS("n1h2w2c1", "n2h6w10c2", "n1h8w8c6", "n3h4w14c12", "n1h10w6c16", "n2h6w8c17",
                      "n1h6w6c33", "n2h4w4c96", "n1h4w6c71", "n1h2w6c1100", "n2h66w80c13"),
};

GB_TRACED(squeeze, squeeze, GB_FORWARD, gb_image_of(wide),
          (const struct gb_exec *exec, const struct gb_tensor *wide, const struct gb_tensor *deep),
          (exec, wide, deep))
GB_TRACED(unsqueeze, squeeze, GB_INVERSE, gb_image_of(wide),
          (const struct gb_exec *exec, const struct gb_tensor *deep, const struct gb_tensor *wide),
          (exec, deep, wide))
