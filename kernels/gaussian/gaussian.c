// SPDX-License-Identifier: MIT
#include "kernels/gaussian/gaussian.h"

#include "kernels/trace.h"

// One partial sum for each image row.
size_t gb_gaussian_scratch_floats(const struct gb_tensor *z) {
    return (size_t)z->n * (size_t)z->h;
}

// Without a prior mean and log-sigma are zero and what they take part in is not needed.
static struct gb_cost gaussian_cost(const void *problem, enum gb_direction direction) {
    const struct gb_gaussian_problem *p = problem;
    static const struct {
        double flops, floats; // of an element
    } needs[GB_DIRECTIONS][3] = {
        [GB_FORWARD] = {{3, 1}, {GB_EXP_FLOPS + 6, 3}, {GB_SOFTPLUS_FLOPS + GB_LOG_FLOPS + 7, 3}},
        [GB_SAMPLE] = {{1, 2}, {GB_EXP_FLOPS + 3, 4}, {GB_SOFTPLUS_FLOPS + 3, 4}},
        [GB_BACKWARD] = {{1, 2},
                         {GB_EXP_FLOPS + 7, 6},
                         {GB_SOFTPLUS_FLOPS + GB_SIGMOID_FLOPS + 10, 6}},
    };
    double floats = gb_image_floats(&p->image);
    return (struct gb_cost){needs[direction][p->prior].flops * floats,
                            sizeof(float) * needs[direction][p->prior].floats * floats};
}

static const char *const priors[] = {"", "prior", "softplus", NULL};

const struct gb_operation gb_gaussian_operation = {
    .name = "gaussian",
    .what = "Gaussian",
    .kernels = {[GB_FORWARD] = {.entry = "gaussian_forward"},
                [GB_SAMPLE] = {.entry = "gaussian_sample"},
                [GB_BACKWARD] = {.entry = "gaussian_backward"}},
    .problem_bytes = sizeof(struct gb_gaussian_problem),
    .sizes = gb_image_problem_sizes,
    .words = priors,
    .word = offsetof(struct gb_gaussian_problem, prior),
    .check = gb_image_check,
    .cost = gaussian_cost,
};

static struct gb_gaussian_problem problem_of(enum gb_sigma_form form, const struct gb_tensor *z,
                                             const struct gb_tensor *prior) {
    enum gb_prior_kind kind = form == GB_SIGMA_EXP ? GB_PRIOR_EXP : GB_PRIOR_SOFTPLUS;
    return (struct gb_gaussian_problem){gb_image_of(z), prior ? kind : GB_PRIOR_NONE};
}

GB_TRACED(gaussian_forward, gaussian, GB_FORWARD, problem_of(form, z, prior),
          (const struct gb_exec *exec, enum gb_sigma_form form, const struct gb_tensor *z,
           const struct gb_tensor *prior, double *log_density),
          (exec, form, z, prior, log_density))
GB_TRACED(gaussian_backward, gaussian, GB_BACKWARD, problem_of(form, z, prior),
          (const struct gb_exec *exec, enum gb_sigma_form form, const struct gb_tensor *z,
           const struct gb_tensor *prior, const float *d_log_density, const struct gb_tensor *dz,
           const struct gb_tensor *d_prior),
          (exec, form, z, prior, d_log_density, dz, d_prior))
GB_TRACED(gaussian_sample, gaussian, GB_SAMPLE, problem_of(form, noise, prior),
          (const struct gb_exec *exec, enum gb_sigma_form form, const struct gb_tensor *noise,
           const struct gb_tensor *prior, float temperature, const struct gb_tensor *z),
          (exec, form, noise, prior, temperature, z))
