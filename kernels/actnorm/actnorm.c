// SPDX-License-Identifier: MIT
#include "kernels/actnorm/actnorm.h"

#include <math.h>

#include "kernels/logarithm.h"
#include "kernels/trace.h"

double gb_actnorm_log_det(int h, int w, int c, const float *log_scale) {
    double sum = 0;
    for (int i = 0; i < c; i++)
        sum += log_scale[i];
    return (double)h * w * sum;
}

void gb_actnorm_start(int c, const float *mean, const float *variance, float *log_scale,
                      float *bias) {
    for (int i = 0; i < c; i++) {
        log_scale[i] = (float)-gb_natural_log(sqrt((double)variance[i]) + 1e-6);
        bias[i] = -mean[i];
    }
}

// Every sample has its own log-scale and bias. Backward needs (v + bias) * dv for the log-scale,
// and a sum for each parameter.
static struct gb_cost actnorm_cost(const void *problem, enum gb_direction direction) {
    const struct gb_image_problem *p = problem;
    double floats = gb_image_floats(p), channels = (double)p->n * p->c;
    double exps = GB_EXP_FLOPS * channels;
    if (direction == GB_BACKWARD)
        return (struct gb_cost){5 * floats + exps, sizeof(float) * (3 * floats + 4 * channels)};
    return (struct gb_cost){2 * floats + exps, sizeof(float) * (2 * floats + 2 * channels)};
}

const struct gb_operation gb_actnorm_operation = {
    .name = "actnorm",
    .what = "actnorm",
    .kernels = {[GB_FORWARD] = {.entry = "actnorm_forward"},
                [GB_INVERSE] = {.entry = "actnorm_inverse"},
                [GB_BACKWARD] = {.entry = "actnorm_backward"}},
    .problem_bytes = sizeof(struct gb_image_problem),
    .sizes = gb_image_problem_sizes,
    .check = gb_image_check,
    .cost = actnorm_cost,
};

GB_TRACED(actnorm_forward, actnorm, GB_FORWARD, gb_image_of(v),
          (const struct gb_exec *exec, const struct gb_tensor *v,
           const struct gb_actnorm_parameters *parameters, const struct gb_tensor *y),
          (exec, v, parameters, y))
GB_TRACED(actnorm_inverse, actnorm, GB_INVERSE, gb_image_of(y),
          (const struct gb_exec *exec, const struct gb_tensor *y,
           const struct gb_actnorm_parameters *parameters, const struct gb_tensor *v),
          (exec, y, parameters, v))
GB_TRACED(actnorm_backward, actnorm, GB_BACKWARD, gb_image_of(v),
          (const struct gb_exec *exec, const struct gb_tensor *v,
           const struct gb_actnorm_parameters *parameters, const struct gb_tensor *dy,
           const struct gb_tensor *dv, float *d_log_scale, float *d_bias, ptrdiff_t d_stride),
          (exec, v, parameters, dy, dv, d_log_scale, d_bias, d_stride))
