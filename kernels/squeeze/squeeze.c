// SPDX-License-Identifier: MIT
#include "kernels/squeeze/squeeze.h"

#include "kernels/trace.h"

static enum gb_status squeeze_check(const void *problem) {
    const struct gb_image_problem *p = problem;
    if (p->h % 2 || p->w % 2)
        return gb_fail(GB_BAD_INPUT, "sizes make no sense", "squeeze",
                       "%dx%d pixels are not in blocks of 2x2", p->h, p->w);
    return gb_image_check(p);
}

static struct gb_cost squeeze_cost(const void *problem, enum gb_direction direction) {
    (void)direction;
    return (struct gb_cost){0, sizeof(float) * 2 * gb_image_floats(problem)};
}

const struct gb_operation gb_squeeze_operation = {
    .name = "squeeze",
    .what = "squeeze",
    .kernels = {[GB_FORWARD] = {.entry = "squeeze"}, [GB_INVERSE] = {.entry = "unsqueeze"}},
    .problem_bytes = sizeof(struct gb_image_problem),
    .sizes = gb_image_problem_sizes,
    .check = squeeze_check,
    .cost = squeeze_cost,
};

GB_TRACED(squeeze, squeeze, GB_FORWARD, gb_image_of(wide),
          (const struct gb_exec *exec, const struct gb_tensor *wide, const struct gb_tensor *deep),
          (exec, wide, deep))
GB_TRACED(unsqueeze, squeeze, GB_INVERSE, gb_image_of(wide),
          (const struct gb_exec *exec, const struct gb_tensor *deep, const struct gb_tensor *wide),
          (exec, deep, wide))
