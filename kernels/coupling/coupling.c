// SPDX-License-Identifier: MIT
#include "kernels/coupling/coupling.h"

#include "kernels/trace.h"

// One partial sum for each image row.
size_t gb_coupling_scratch_floats(const struct gb_tensor *v) {
    return (size_t)v->n * (size_t)v->h;
}

// An element's own input, output and raw pair; backward reads u, du and the pair, and writes dv and
// the pair's gradient. The additive form has one raw number in place of the pair, and backward
// hands du on to two places.
static struct gb_cost coupling_cost(const void *problem, enum gb_direction direction) {
    enum { SHIFT_AND_SCALE = 2 * GB_TANH_FLOPS + 1 + GB_SIGMOID_FLOPS };
    const struct gb_coupling_problem *p = problem;
    static const struct {
        double flops, floats; // of an element
    } needs[][GB_DIRECTIONS] = {
        [GB_COUPLING_SIGMOID] = {[GB_FORWARD] = {SHIFT_AND_SCALE + 2 + GB_LOG_FLOPS + 1, 4},
                                 [GB_INVERSE] = {SHIFT_AND_SCALE + 2, 4},
                                 [GB_BACKWARD] = {SHIFT_AND_SCALE + 11, 7}},
        [GB_COUPLING_SOFTPLUS] = {[GB_FORWARD] = {GB_SOFTPLUS_FLOPS + 2 + GB_LOG_FLOPS + 1, 4},
                                  [GB_INVERSE] = {GB_SOFTPLUS_FLOPS + 2, 4},
                                  [GB_BACKWARD] = {GB_SOFTPLUS_FLOPS + GB_SIGMOID_FLOPS + 6, 7}},
        [GB_COUPLING_ADDITIVE] =
            {[GB_FORWARD] = {1, 3}, [GB_INVERSE] = {1, 3}, [GB_BACKWARD] = {0, 3}},
    };
    double floats = gb_image_floats(&p->image);
    return (struct gb_cost){needs[p->form][direction].flops * floats,
                            sizeof(float) * needs[p->form][direction].floats * floats};
}

static const char *const forms[] = {"", "softplus", "additive", NULL};

const struct gb_operation gb_coupling_operation = {
    .name = "coupling",
    .what = "coupling",
    .kernels = {[GB_FORWARD] = {.entry = "coupling_forward"},
                [GB_INVERSE] = {.entry = "coupling_inverse"},
                [GB_BACKWARD] = {.entry = "coupling_backward"}},
    .problem_bytes = sizeof(struct gb_coupling_problem),
    .sizes = gb_image_problem_sizes,
    .words = forms,
    .word = offsetof(struct gb_coupling_problem, form),
    .check = gb_image_check,
    .cost = coupling_cost,
};

GB_TRACED(coupling_forward, coupling, GB_FORWARD,
          ((struct gb_coupling_problem){gb_image_of(v), form}),
          (const struct gb_exec *exec, enum gb_coupling_form form, const struct gb_tensor *v,
           const struct gb_tensor *raw, const struct gb_tensor *u, double *log_det),
          (exec, form, v, raw, u, log_det))
GB_TRACED(coupling_inverse, coupling, GB_INVERSE,
          ((struct gb_coupling_problem){gb_image_of(u), form}),
          (const struct gb_exec *exec, enum gb_coupling_form form, const struct gb_tensor *u,
           const struct gb_tensor *raw, const struct gb_tensor *v),
          (exec, form, u, raw, v))
GB_TRACED(coupling_backward, coupling, GB_BACKWARD,
          ((struct gb_coupling_problem){gb_image_of(u), form}),
          (const struct gb_exec *exec, enum gb_coupling_form form, const struct gb_tensor *u,
           const struct gb_tensor *raw, const struct gb_tensor *du, const float *d_log_det,
           const struct gb_tensor *dv, const struct gb_tensor *d_raw),
          (exec, form, u, raw, du, d_log_det, dv, d_raw))
