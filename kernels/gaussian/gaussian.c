// SPDX-License-Identifier: MIT
#include "kernels/gaussian/gaussian.h"

#include "kernels/trace.h"

// One partial sum for each image row.
size_t gb_gaussian_scratch_bytes(const struct gb_tensor *z) {
    return (size_t)z->n * (size_t)z->h * sizeof(float);
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

static void call_forward(const struct gb_call *call) {
    call->backend->gaussian_forward(call->exec, form_of(call), gb_view(call, FORWARD_Z),
                                    gb_view(call, FORWARD_PRIOR),
                                    gb_doubles(call, FORWARD_LOG_DENSITY));
}

static void call_sample(const struct gb_call *call) {
    call->backend->gaussian_sample(call->exec, form_of(call), gb_view(call, SAMPLE_NOISE),
                                   gb_view(call, SAMPLE_PRIOR), temperature,
                                   gb_view(call, SAMPLE_Z));
}

static void call_backward(const struct gb_call *call) {
    call->backend->gaussian_backward(call->exec, form_of(call), gb_view(call, BACKWARD_Z),
                                     gb_view(call, BACKWARD_PRIOR),
                                     gb_floats(call, BACKWARD_D_LOG_DENSITY),
                                     gb_view(call, BACKWARD_DZ), gb_view(call, BACKWARD_D_PRIOR));
}

static size_t forward_scratch(const struct gb_call *call) {
    return gb_gaussian_scratch_bytes(&call->operand[FORWARD_Z]);
}

// ---- Definition ----

// One element's prior, its standardised value, and the slope of log(sigma) in the raw value. `z`
// (or noise) and `prior` have the same index in all directions.
struct element {
    double z, mean, sigma, d, slope;
};

static struct element element_at(const struct gb_call *call, int n, int y, int x, int c) {
    const struct gb_gaussian_problem *p = call->problem;
    struct element e = {.z = gb_value(call, FORWARD_Z, (int[]){n, y, x, c}), .sigma = 1};
    if (p->prior != GB_PRIOR_NONE) {
        const float *prior = gb_at(&call->operand[FORWARD_PRIOR], n, y, x);
        const double raw = prior[p->image.c + c];
        const bool is_exp = p->prior == GB_PRIOR_EXP;
        e.mean = prior[c];
        e.sigma = is_exp ? exp(raw) : log1p(exp(raw));
        e.slope = is_exp ? 1 : 1 / (1 + exp(-raw)) / e.sigma;
    }
    e.d = (e.z - e.mean) / e.sigma;
    return e;
}

// Twelve roundings in a term, and one for each term of a row's float sum.
static struct gb_expected define_forward(const struct gb_call *call, int operand, const int at[4]) {
    (void)operand;
    const struct gb_gaussian_problem *p = call->problem;
    double sum = 0, magnitude = 0, elements = (double)p->image.h * p->image.w * p->image.c;
    for (int y = 0; y < p->image.h; y++)
        for (int x = 0; x < p->image.w; x++)
            for (int c = 0; c < p->image.c; c++) {
                const struct element e = element_at(call, at[3], y, x, c);
                sum -= GB_HALF_LOG_2PI + log(e.sigma) + 0.5 * e.d * e.d;
                magnitude += fabs(log(e.sigma)) + e.d * e.d + (p->prior == GB_PRIOR_SOFTPLUS);
            }
    double roundings = 12 + (double)p->image.w * p->image.c;
    return (struct gb_expected){sum, roundings * GB_ROUNDING * magnitude + 1e-12 * elements,
                                elements};
}

static struct gb_expected define_sample(const struct gb_call *call, int operand, const int at[4]) {
    (void)operand;
    const struct element e = element_at(call, at[0], at[1], at[2], at[3]);
    const double deviation = e.sigma * e.z * (double)temperature;
    return gb_within(e.mean + deviation, 8 * GB_ROUNDING * (fabs(e.mean) + fabs(deviation)));
}

static struct gb_expected define_backward(const struct gb_call *call, int operand,
                                          const int at[4]) {
    const struct gb_gaussian_problem *p = call->problem;
    const bool raw = operand == BACKWARD_D_PRIOR && at[3] >= p->image.c;
    const struct element e =
        element_at(call, at[0], at[1], at[2], raw ? at[3] - p->image.c : at[3]);
    const double d_log = gb_floats(call, BACKWARD_D_LOG_DENSITY)[at[0]];
    if (raw)
        return gb_within(d_log * (e.d * e.d - 1) * e.slope,
                         16 * GB_ROUNDING * fabs(d_log) * (e.d * e.d + 1));
    const double d_mean = d_log * e.d / e.sigma;
    return gb_within(operand == BACKWARD_DZ ? -d_mean : d_mean, 12 * GB_ROUNDING * fabs(d_mean));
}

// ----

static const char *const edges[] = {GB_IMAGE_EDGES(""), GB_IMAGE_EDGES("prior"),
                                    GB_IMAGE_EDGES("softplus"), NULL};

static const char *const gradients[] = {"n2h2w3c3", "n2h2w3c3prior", "n2h2w3c3softplus", NULL};

const struct gb_operation gb_gaussian_operation = {
    .name = "gaussian",
    .what = "Gaussian",
    .kernels =
        {
            [GB_FORWARD] = {.entry = "gaussian_forward",
                            .operands = forward_operands,
                            .call = call_forward,
                            .scratch = forward_scratch,
                            .definition = define_forward,
                            .traffic = GB_TRAFFIC_READ},
            [GB_SAMPLE] = {.entry = "gaussian_sample",
                           .operands = sample_operands,
                           .call = call_sample,
                           .definition = define_sample,
                           .traffic = GB_TRAFFIC_TRIAD,
                           .reference_bits = true},
            [GB_BACKWARD] = {.entry = "gaussian_backward",
                             .operands = backward_operands,
                             .call = call_backward,
                             .definition = define_backward,
                             .traffic = GB_TRAFFIC_TRIAD,
                             .reference_bits = true},
        },
    .problem_bytes = sizeof(struct gb_gaussian_problem),
    .sizes = gb_image_problem_sizes,
    .words = priors,
    .word = offsetof(struct gb_gaussian_problem, prior),
    .check = gb_image_check,
    .cost = gaussian_cost,
    .edges = edges,
    .gradients = gradients,
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
