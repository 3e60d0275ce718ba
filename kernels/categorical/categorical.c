// SPDX-License-Identifier: MIT
#include "kernels/categorical/categorical.h"

#include "base/minmax.h"
#include "kernels/labels_operands.h"
#include "kernels/trace.h"

// An exponential per class and, forward, a logarithm per pixel; the mean divides.
static struct gb_cost categorical_cost(const void *problem, enum gb_direction direction) {
    const struct gb_image_problem *p = problem;
    double floats = gb_image_floats(p), pixels = floats / p->c;
    if (direction == GB_FORWARD)
        return (struct gb_cost){(GB_EXP_FLOPS + 6) * floats + GB_LOG_FLOPS * pixels,
                                sizeof(float) * 2 * floats};
    if (direction == GB_MEAN)
        return (struct gb_cost){(GB_EXP_FLOPS + 3) * floats, sizeof(float) * 2 * floats};
    return (struct gb_cost){(GB_EXP_FLOPS + 7) * floats, sizeof(float) * 3 * floats};
}

static const struct gb_problem_size categorical_sizes[] = {
    GB_SIZE('n', struct gb_image_problem, n),
    GB_SIZE('h', struct gb_image_problem, h),
    GB_SIZE('w', struct gb_image_problem, w),
    {'c', offsetof(struct gb_image_problem, c), 1, GB_MAX_CLASSES},
    {0},
};

GB_CALL(forward, categorical_forward, call->exec, gb_view(call, FORWARD_Y),
        gb_view(call, FORWARD_LOGITS), gb_doubles(call, FORWARD_LOG_LIKELIHOOD))
GB_CALL(backward, categorical_backward, call->exec, gb_view(call, BACKWARD_Y),
        gb_view(call, BACKWARD_LOGITS), gb_floats(call, BACKWARD_D_LOG_LIKELIHOOD),
        gb_view(call, BACKWARD_D_LOGITS))
GB_CALL(mean, categorical_mean, call->exec, gb_view(call, MEAN_LOGITS), gb_view(call, MEAN_MEAN))

// In tests: one-hot labels in the first image row, elsewhere weights from 0 to 3.
static void prepare(const struct gb_call *call) {
    const struct gb_tensor *y = &call->operand[FORWARD_Y];
    if (call->numbers == GB_NUMBERS_TIMED)
        return;
    GB_EACH_ELEMENT(y, at) {
        float *weight = gb_element(y, at);
        if (at[1] == 0)
            *weight = at[3] == (at[0] + at[2]) % y->c;
        else if (*weight > 0)
            *weight = (float)(1 + at[3] % 3);
    }
}

// ---- Definition ----

// Of a pixel: log p of class c is logits[c] - log_sum; `range`: 1 + the largest difference of two
// logits.
struct softmax {
    double log_sum, range;
};

static struct softmax softmax_of(const float *logits, int classes) {
    double min = logits[0], max = logits[0], sum = 0;
    for (int c = 1; c < classes; c++) {
        min = gb_min_double(min, logits[c]);
        max = gb_max_double(max, logits[c]);
    }
    for (int c = 0; c < classes; c++)
        sum += exp(logits[c] - max);
    return (struct softmax){max + log(sum), 1 + max - min};
}

GB_DEFINITION(forward) {
    const struct gb_image_problem *p = call->problem;
    double sum = 0, magnitude = 0;
    for (int i = 0; i < p->h; i++)
        for (int j = 0; j < p->w; j++) {
            const float *y = gb_at(&call->operand[FORWARD_Y], at[3], i, j);
            const float *logits = gb_at(&call->operand[FORWARD_LOGITS], at[3], i, j);
            const struct softmax s = softmax_of(logits, p->c);
            for (int c = 0; c < p->c; c++) {
                const double log_p = logits[c] - s.log_sum;
                sum += y[c] * log_p;
                magnitude += y[c] * (s.range - log_p);
            }
        }
    double roundings = 8 + p->c + (double)p->w * p->c;
    return (struct gb_expected){sum, roundings * GB_ROUNDING * magnitude,
                                (double)p->h * p->w * p->c};
}

GB_DEFINITION(backward) {
    const int classes = call->operand[BACKWARD_Y].c;
    const float *y = gb_at(&call->operand[BACKWARD_Y], at[0], at[1], at[2]);
    const float *logits = gb_at(&call->operand[BACKWARD_LOGITS], at[0], at[1], at[2]);
    const struct softmax s = softmax_of(logits, classes);
    const double d = gb_floats(call, BACKWARD_D_LOG_LIKELIHOOD)[at[0]];
    double weights = 0, p = exp(logits[at[3]] - s.log_sum);
    for (int c = 0; c < classes; c++)
        weights += y[c];
    double magnitude = fabs(d) * (y[at[3]] + weights * s.range * p);
    return (struct gb_expected){d * (y[at[3]] - weights * p),
                                (8 + classes) * GB_ROUNDING * magnitude, 2.0 * classes};
}

GB_DEFINITION(mean) {
    const int classes = call->operand[MEAN_LOGITS].c;
    const float *logits = gb_at(&call->operand[MEAN_LOGITS], at[0], at[1], at[2]);
    const struct softmax s = softmax_of(logits, classes);
    const double p = exp(logits[at[3]] - s.log_sum);
    return (struct gb_expected){p, (8 + classes) * GB_ROUNDING * s.range * p, classes};
}

// ----

const struct gb_operation gb_categorical_operation = {
    .name = "categorical",
    .what = "categorical",
    .kernels =
        {
            GB_KERNEL(GB_FORWARD, categorical_forward, forward, .scratch = gb_row_sums_scratch,
                      .prepare = prepare, .traffic = GB_TRAFFIC_READ),
            GB_KERNEL(GB_MEAN, categorical_mean, mean, .reference_bits = true),
            GB_KERNEL(GB_BACKWARD, categorical_backward, backward, .prepare = prepare,
                      .reference_bits = true),
        },
    .problem_bytes = sizeof(struct gb_image_problem),
    .sizes = categorical_sizes,
    .check = gb_image_check,
    .cost = categorical_cost,
    .edges = GB_TEXTS("n1h1w1c1", "n2h3w5c2", "n1h4w4c6", "n3h2w7c12", "n1h5w3c16", "n2h3w4c17",
                      "n1h3w3c33", "n2h2w2c64", "n1h2w3c64", "n1h1w3c64", "n2h33w40c13"),
    .gradients = GB_TEXTS("n2h3w4c5"),
};

GB_TRACED(categorical_forward, categorical, GB_FORWARD, gb_image_of(y),
          (const struct gb_exec *exec, const struct gb_tensor *y, const struct gb_tensor *logits,
           double *log_likelihood),
          (exec, y, logits, log_likelihood))
GB_TRACED(categorical_backward, categorical, GB_BACKWARD, gb_image_of(y),
          (const struct gb_exec *exec, const struct gb_tensor *y, const struct gb_tensor *logits,
           const float *d_log_likelihood, const struct gb_tensor *d_logits),
          (exec, y, logits, d_log_likelihood, d_logits))
GB_TRACED(categorical_mean, categorical, GB_MEAN, gb_image_of(logits),
          (const struct gb_exec *exec, const struct gb_tensor *logits,
           const struct gb_tensor *mean),
          (exec, logits, mean))
