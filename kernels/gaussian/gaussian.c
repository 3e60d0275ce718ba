// SPDX-License-Identifier: MIT
#include "kernels/gaussian/gaussian.h"

#include "kernels/trace.h"

// ---- Operands ----

static struct gb_dims dims_prior(const struct gb_call *call) {
    const struct gb_gaussian_problem *p = call->problem;
    struct gb_dims dims = gb_dims_image(call);
    dims.c = p->prior == GB_PRIOR_NONE ? 0 : 2 * dims.c;
    return dims;
}

enum { FORWARD_Z, FORWARD_PRIOR, FORWARD_LOG_DENSITY };
static const struct gb_operand forward_operands[] = {
    {"z", GB_IN, .dims = gb_dims_image},
    {"prior", GB_IN, .fill = GB_FILL_SMALL, .dims = dims_prior},
    {"log_density", GB_SUM, .dims = gb_dims_samples},
    {0},
};

enum { SAMPLE_NOISE, SAMPLE_PRIOR, SAMPLE_Z };
static const struct gb_operand sample_operands[] = {
    {"noise", GB_IN, .dims = gb_dims_image},
    {"prior", GB_IN, .fill = GB_FILL_SMALL, .dims = dims_prior},
    {"z", GB_OUT, .dims = gb_dims_image, .in_place_of = {"noise"}},
    {0},
};

enum { BACKWARD_Z, BACKWARD_PRIOR, BACKWARD_D_LOG_DENSITY, BACKWARD_DZ, BACKWARD_D_PRIOR };
static const struct gb_operand backward_operands[] = {
    {"z", GB_IN, .dims = gb_dims_image},
    {"prior", GB_IN, .fill = GB_FILL_SMALL, .dims = dims_prior},
    {"d_log_density", GB_IN, GB_ROW, .dims = gb_dims_samples},
    {"dz", GB_OUT, .dims = gb_dims_image},
    {"d_prior", GB_OUT, .dims = dims_prior},
    {0},
};

static enum gb_sigma_form form_of(const struct gb_call *call) {
    const struct gb_gaussian_problem *p = call->problem;
    return p->prior == GB_PRIOR_SOFTPLUS ? GB_SIGMA_SOFTPLUS : GB_SIGMA_EXP;
}

static const float temperature = 0.7f;

GB_CALL(forward, gaussian_forward, call->exec, form_of(call), gb_view(call, FORWARD_Z),
        gb_view(call, FORWARD_PRIOR), gb_doubles(call, FORWARD_LOG_DENSITY))
GB_CALL(sample, gaussian_sample, call->exec, form_of(call), gb_view(call, SAMPLE_NOISE),
        gb_view(call, SAMPLE_PRIOR), temperature, gb_view(call, SAMPLE_Z))
GB_CALL(backward, gaussian_backward, call->exec, form_of(call), gb_view(call, BACKWARD_Z),
        gb_view(call, BACKWARD_PRIOR), gb_floats(call, BACKWARD_D_LOG_DENSITY),
        gb_view(call, BACKWARD_DZ), gb_view(call, BACKWARD_D_PRIOR))

// ---- Definition ----

// One element's prior, its standardised value, and the slope of log(sigma) in the raw value. `z`
// (or noise) and `prior` have the same index in all directions.
struct element {
    double z, mean, sigma, d, slope;
};

static struct element element_at(const struct gb_call *call, const int at[4]) {
    const struct gb_gaussian_problem *p = call->problem;
    struct element e = {.z = gb_value(call, FORWARD_Z, at), .sigma = 1};
    if (p->prior != GB_PRIOR_NONE) {
        const float *prior = gb_at(&call->operand[FORWARD_PRIOR], at[0], at[1], at[2]);
        const double raw = prior[p->image.c + at[3]];
        const bool is_exp = p->prior == GB_PRIOR_EXP;
        e.mean = prior[at[3]];
        e.sigma = is_exp ? exp(raw) : log1p(exp(raw));
        e.slope = is_exp ? 1 : 1 / (1 + exp(-raw)) / e.sigma;
    }
    e.d = (e.z - e.mean) / e.sigma;
    return e;
}

static struct gb_term log_density_at(const struct gb_call *call, const int at[4]) {
    const struct gb_gaussian_problem *p = call->problem;
    const struct element e = element_at(call, at);
    const double log_sigma = log(e.sigma), square = e.d * e.d;
    const double magnitude = fabs(log_sigma) + square + (p->prior == GB_PRIOR_SOFTPLUS);
    return (struct gb_term){-(GB_HALF_LOG_2PI + log_sigma + 0.5 * square), magnitude,
                            12 * magnitude + 1e-12 / GB_ROUNDING};
}

GB_DEFINITION(forward) {
    return gb_image_sum(call, at[3], log_density_at);
}

GB_DEFINITION(sample) {
    const struct element e = element_at(call, at);
    const double deviation = e.sigma * e.z * (double)temperature;
    return gb_within(e.mean + deviation, 8 * GB_ROUNDING * (fabs(e.mean) + fabs(deviation)));
}

GB_DEFINITION(backward) {
    const struct gb_gaussian_problem *p = call->problem;
    const bool raw = operand == BACKWARD_D_PRIOR && at[3] >= p->image.c;
    const int own[] = {at[0], at[1], at[2], raw ? at[3] - p->image.c : at[3]};
    const struct element e = element_at(call, own);
    const double d_log = gb_floats(call, BACKWARD_D_LOG_DENSITY)[at[0]];
    if (raw)
        return gb_within(d_log * (e.d * e.d - 1) * e.slope,
                         16 * GB_ROUNDING * fabs(d_log) * (e.d * e.d + 1));
    const double d_mean = d_log * e.d / e.sigma;
    return gb_within(operand == BACKWARD_DZ ? -d_mean : d_mean, 12 * GB_ROUNDING * fabs(d_mean));
}

// ----

// Costs: without a prior mean and log-sigma are zero and what they take part in is not needed.
const struct gb_operation gb_gaussian_operation = {
    .name = "gaussian",
    .what = "Gaussian",
    .kernels =
        {
            GB_KERNEL(
                GB_FORWARD, gaussian_forward, forward,
                .costs = {{3, 1}, {GB_EXP_FLOPS + 6, 3}, {GB_SOFTPLUS_FLOPS + GB_LOG_FLOPS + 7, 3}},
                .scratch = gb_row_sums_scratch, .traffic = GB_TRAFFIC_READ),
            GB_KERNEL(GB_SAMPLE, gaussian_sample, sample,
                      .costs = {{1, 2}, {GB_EXP_FLOPS + 3, 4}, {GB_SOFTPLUS_FLOPS + 3, 4}},
                      .reference_bits = true),
            GB_KERNEL(GB_BACKWARD, gaussian_backward, backward,
                      .costs = {{1, 2},
                                {GB_EXP_FLOPS + 7, 6},
                                {GB_SOFTPLUS_FLOPS + GB_SIGMOID_FLOPS + 10, 6}},
                      .reference_bits = true),
        },
    .problem_bytes = sizeof(struct gb_gaussian_problem),
    .sizes = gb_image_problem_sizes,
    .words = GB_TEXTS("", "prior", "softplus"),
    .word = offsetof(struct gb_gaussian_problem, prior),
    .check = gb_image_check,
    .edges = GB_TEXTS(GB_IMAGE_EDGES(""), GB_IMAGE_EDGES("prior"), GB_IMAGE_EDGES("softplus")),
    .gradients = GB_TEXTS("n2h2w3c3", "n2h2w3c3prior", "n2h2w3c3softplus"),
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
