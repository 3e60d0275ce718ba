// SPDX-License-Identifier: MIT
#include "kernels/bernoulli/bernoulli.h"

#include "kernels/labels_operands.h"
#include "kernels/trace.h"

// Of the logarithms of both numerators.
enum { DIFFERENCE = 2 * GB_SOFTPLUS_FLOPS + 3 };

// ---- Operands ----

enum { SAMPLE_UNIFORM, SAMPLE_LOGITS, SAMPLE_Y };
static const struct gb_operand sample_operands[] = {
    {"uniform", GB_IN, .fill = GB_FILL_UNIFORM, .dims = gb_dims_image},
    {"logits", GB_IN, .fill = GB_FILL_LOGITS, .dims = gb_dims_image},
    {"y", GB_OUT, .dims = gb_dims_image, .in_place_of = {"uniform"}},
    {0},
};

// With the weights of the vessel task.
static const struct gb_bernoulli *bernoulli_of(const struct gb_call *call) {
    static const struct gb_bernoulli forms[] = {{0.9f, 0.1f, false}, {0.9f, 0.1f, true}};
    return &forms[((const struct gb_bernoulli_problem *)call->problem)->normalised];
}

GB_CALL(forward, bernoulli_forward, call->exec, bernoulli_of(call), gb_view(call, FORWARD_Y),
        gb_view(call, FORWARD_LOGITS), gb_doubles(call, FORWARD_LOG_LIKELIHOOD))
GB_CALL(backward, bernoulli_backward, call->exec, bernoulli_of(call), gb_view(call, BACKWARD_Y),
        gb_view(call, BACKWARD_LOGITS), gb_floats(call, BACKWARD_D_LOG_LIKELIHOOD),
        gb_view(call, BACKWARD_D_LOGITS))
GB_CALL(sample, bernoulli_sample, call->exec, bernoulli_of(call), gb_view(call, SAMPLE_UNIFORM),
        gb_view(call, SAMPLE_LOGITS), gb_view(call, SAMPLE_Y))
GB_CALL(mean, bernoulli_mean, call->exec, bernoulli_of(call), gb_view(call, MEAN_LOGITS),
        gb_view(call, MEAN_MEAN))

// ---- Definition ----

static double log_likelihood_of(const struct gb_bernoulli *b, bool one, double logit) {
    const double log_one = -b->weight_one * log1p(exp(-logit));
    const double log_zero = -b->weight_zero * log1p(exp(logit));
    const double numerator = one ? log_one : log_zero;
    return b->normalised ? numerator - log(exp(log_one) + exp(log_zero)) : numerator;
}

static struct gb_term term_at(const struct gb_call *call, const int at[4]) {
    const struct gb_bernoulli *b = bernoulli_of(call);
    const double logit = gb_value(call, FORWARD_LOGITS, at);
    const double value = log_likelihood_of(b, gb_value(call, FORWARD_Y, at) == 1, logit);
    const double magnitude = fabs(value) + fabs(logit) + 1;
    return (struct gb_term){value, magnitude, 12 * magnitude};
}

GB_DEFINITION(forward) {
    return gb_image_sum(call, at[3], term_at);
}

// If normalised, L_one = log sigmoid(a) and L_zero = log sigmoid(-a), where a(logit) is the
// difference of the numerators.
GB_DEFINITION(backward) {
    const struct gb_bernoulli *b = bernoulli_of(call);
    const bool one = gb_value(call, BACKWARD_Y, at) == 1;
    const double logit = gb_value(call, BACKWARD_LOGITS, at);
    const double slope_one = b->weight_one / (1 + exp(logit));
    const double slope_zero = b->weight_zero / (1 + exp(-logit));
    double slope = one ? slope_one : -slope_zero;
    if (b->normalised) {
        const double other = exp(log_likelihood_of(b, !one, logit));
        slope = (one ? 1 : -1) * (slope_one + slope_zero) * other;
    }
    const double value = gb_floats(call, BACKWARD_D_LOG_LIKELIHOOD)[at[0]] * slope;
    return gb_within(value, 16 * GB_ROUNDING * (1 + fabs(logit)) * fabs(value));
}

static struct gb_expected mean_at(const struct gb_call *call, int logits, const int at[4]) {
    const struct gb_bernoulli *b = bernoulli_of(call);
    const double logit = gb_value(call, logits, at);
    const double mean =
        b->normalised ? exp(log_likelihood_of(b, true, logit)) : 1 / (1 + exp(-logit));
    return gb_within(mean, 16 * GB_ROUNDING * (1 + fabs(log(mean))) * mean);
}

GB_DEFINITION(mean) {
    return mean_at(call, MEAN_LOGITS, at);
}

// Either result is right where the uniform number is within the error of the mean.
GB_DEFINITION(sample) {
    const struct gb_expected mean = mean_at(call, SAMPLE_LOGITS, at);
    const double uniform = gb_value(call, SAMPLE_UNIFORM, at);
    return gb_within(uniform < mean.value, fabs(uniform - mean.value) <= mean.bound);
}

// ----

const struct gb_operation gb_bernoulli_operation = {
    .name = "bernoulli",
    .what = "Bernoulli",
    .kernels =
        {
            GB_KERNEL(
                GB_FORWARD, bernoulli_forward, forward,
                .costs = {{GB_SOFTPLUS_FLOPS + 2, 2}, {DIFFERENCE + GB_SOFTPLUS_FLOPS + 1, 2}},
                .scratch = gb_row_sums_scratch, .traffic = GB_TRAFFIC_READ),
            GB_KERNEL(GB_SAMPLE, bernoulli_sample, sample,
                      .costs = {{GB_SIGMOID_FLOPS, 3}, {DIFFERENCE + GB_SIGMOID_FLOPS, 3}},
                      .reference_bits = true),
            GB_KERNEL(GB_MEAN, bernoulli_mean, mean,
                      .costs = {{GB_SIGMOID_FLOPS, 2}, {DIFFERENCE + GB_SIGMOID_FLOPS, 2}},
                      .reference_bits = true),
            GB_KERNEL(
                GB_BACKWARD, bernoulli_backward, backward,
                .costs = {{GB_SIGMOID_FLOPS + 2, 3}, {DIFFERENCE + 3 * GB_SIGMOID_FLOPS + 5, 3}},
                .reference_bits = true),
        },
    .problem_bytes = sizeof(struct gb_bernoulli_problem),
    .sizes = gb_image_problem_sizes,
    .words = GB_TEXTS("", "normalised"),
    .word = offsetof(struct gb_bernoulli_problem, normalised),
    .check = gb_image_check,
    .edges = GB_TEXTS(GB_IMAGE_EDGES(""), GB_IMAGE_EDGES("normalised")),
    .gradients = GB_TEXTS("n2h3w4c2", "n2h3w4c2normalised"),
};

GB_TRACED(bernoulli_forward, bernoulli, GB_FORWARD,
          ((struct gb_bernoulli_problem){gb_image_of(y), bernoulli->normalised}),
          (const struct gb_exec *exec, const struct gb_bernoulli *bernoulli,
           const struct gb_tensor *y, const struct gb_tensor *logits, double *log_likelihood),
          (exec, bernoulli, y, logits, log_likelihood))
GB_TRACED(bernoulli_backward, bernoulli, GB_BACKWARD,
          ((struct gb_bernoulli_problem){gb_image_of(y), bernoulli->normalised}),
          (const struct gb_exec *exec, const struct gb_bernoulli *bernoulli,
           const struct gb_tensor *y, const struct gb_tensor *logits, const float *d_log_likelihood,
           const struct gb_tensor *d_logits),
          (exec, bernoulli, y, logits, d_log_likelihood, d_logits))
GB_TRACED(bernoulli_sample, bernoulli, GB_SAMPLE,
          ((struct gb_bernoulli_problem){gb_image_of(uniform), bernoulli->normalised}),
          (const struct gb_exec *exec, const struct gb_bernoulli *bernoulli,
           const struct gb_tensor *uniform, const struct gb_tensor *logits,
           const struct gb_tensor *y),
          (exec, bernoulli, uniform, logits, y))
GB_TRACED(bernoulli_mean, bernoulli, GB_MEAN,
          ((struct gb_bernoulli_problem){gb_image_of(logits), bernoulli->normalised}),
          (const struct gb_exec *exec, const struct gb_bernoulli *bernoulli,
           const struct gb_tensor *logits, const struct gb_tensor *mean),
          (exec, bernoulli, logits, mean))
