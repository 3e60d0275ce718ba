// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"
#include "kernels/simd/rows.h"

// The cost of an element in floats of a streaming loop.
enum { COST = 8 };

struct categorical {
    const struct gb_tensor *y, *logits;
    float *row_log_likelihood;     // forward
    const float *d_log_likelihood; // backward
    const struct gb_tensor *out;   // the others
};

// A vector of pixels, class by class, so that sums over classes are sums of vectors.
struct pixels {
    gb_v of[GB_MAX_CLASSES];
};

// Lanes from `count` on are zero.
static void load(const struct gb_tensor *t, int n, int row, int x, int count, struct pixels *p) {
    float lanes[GB_MAX_CLASSES][GB_LANES];
    for (int c = 0; c < t->c; c++)
        gb_v_store(lanes[c], (gb_v){0});
    for (int i = 0; i < count; i++) {
        const float *from = gb_at(t, n, row, x + i);
        for (int c = 0; c < t->c; c++)
            lanes[c][i] = from[c];
    }
    for (int c = 0; c < t->c; c++)
        p->of[c] = gb_v_load(lanes[c]);
}

static void store(const struct gb_tensor *t, int n, int row, int x, int count,
                  const struct pixels *p) {
    for (int i = 0; i < count; i++) {
        float *to = gb_at(t, n, row, x + i);
        for (int c = 0; c < t->c; c++)
            to[c] = p->of[c][i];
    }
}

// Subtracts the largest logit, which keeps the exponentials in range.
GB_INLINE void centre(struct pixels *logits, int classes) {
    gb_v largest = gb_v_set(-__builtin_inff());
    for (int c = 0; c < classes; c++)
        largest = gb_v_max(logits->of[c], largest);
    for (int c = 0; c < classes; c++)
        logits->of[c] = logits->of[c] - largest;
}

GB_INLINE gb_v sum_of(const struct pixels *p, int classes) {
    gb_v sum = {0};
    for (int c = 0; c < classes; c++)
        sum += p->of[c];
    return sum;
}

// Logits to probabilities.
GB_INLINE void softmax(struct pixels *p, int classes) {
    centre(p, classes);
    for (int c = 0; c < classes; c++)
        p->of[c] = gb_v_exp(p->of[c]);
    gb_v sum = sum_of(p, classes);
    for (int c = 0; c < classes; c++)
        p->of[c] = p->of[c] / sum;
}

static void forward_row(const void *argument, int n, int row) {
    const struct categorical *k = argument;
    const int classes = k->y->c;
    gb_v total = {0};
    for (int x = 0; x < k->y->w; x += GB_LANES) {
        int count = gb_min_int(k->y->w - x, GB_LANES);
        struct pixels y, logits;
        load(k->y, n, row, x, count, &y);
        load(k->logits, n, row, x, count, &logits);
        centre(&logits, classes);
        gb_v sum = {0};
        for (int c = 0; c < classes; c++)
            sum += gb_v_exp(logits.of[c]);
        gb_v log_sum = gb_v_log(sum);
        for (int c = 0; c < classes; c++)
            total += y.of[c] * (logits.of[c] - log_sum);
    }
    k->row_log_likelihood[n * k->y->h + row] = gb_v_sum(total);
}

void GB_NAME(gb_categorical_forward)(const struct gb_exec *exec, const struct gb_tensor *y,
                                     const struct gb_tensor *logits, double *log_likelihood) {
    assert(gb_same_shape(y, logits) && y->c <= GB_MAX_CLASSES);
    assert(exec->scratch_bytes >= gb_row_sums_bytes(y));
    struct categorical categorical = {
        .y = y, .logits = logits, .row_log_likelihood = exec->scratch};
    gb_for_rows(exec, y, COST, forward_row, &categorical);
    gb_add_row_sums(exec->scratch, y, log_likelihood);
}

static void backward_row(const void *argument, int n, int row) {
    const struct categorical *k = argument;
    const int classes = k->y->c;
    for (int x = 0; x < k->y->w; x += GB_LANES) {
        int count = gb_min_int(k->y->w - x, GB_LANES);
        struct pixels y, p;
        load(k->y, n, row, x, count, &y);
        load(k->logits, n, row, x, count, &p);
        softmax(&p, classes);
        gb_v weights = sum_of(&y, classes);
        for (int c = 0; c < classes; c++)
            p.of[c] = k->d_log_likelihood[n] * (y.of[c] - weights * p.of[c]);
        store(k->out, n, row, x, count, &p);
    }
}

void GB_NAME(gb_categorical_backward)(const struct gb_exec *exec, const struct gb_tensor *y,
                                      const struct gb_tensor *logits, const float *d_log_likelihood,
                                      const struct gb_tensor *d_logits) {
    assert(gb_same_shape(y, logits) && gb_same_shape(y, d_logits) && y->c <= GB_MAX_CLASSES);
    struct categorical categorical = {
        .y = y, .logits = logits, .d_log_likelihood = d_log_likelihood, .out = d_logits};
    gb_for_rows(exec, y, COST, backward_row, &categorical);
}

static void mean_row(const void *argument, int n, int row) {
    const struct categorical *k = argument;
    for (int x = 0; x < k->out->w; x += GB_LANES) {
        int count = gb_min_int(k->out->w - x, GB_LANES);
        struct pixels p;
        load(k->logits, n, row, x, count, &p);
        softmax(&p, k->out->c);
        store(k->out, n, row, x, count, &p);
    }
}

void GB_NAME(gb_categorical_mean)(const struct gb_exec *exec, const struct gb_tensor *logits,
                                  const struct gb_tensor *mean) {
    assert(gb_same_shape(logits, mean) && mean->c <= GB_MAX_CLASSES);
    struct categorical categorical = {.logits = logits, .out = mean};
    gb_for_rows(exec, mean, COST, mean_row, &categorical);
}
