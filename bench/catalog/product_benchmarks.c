// SPDX-License-Identifier: MIT
// Kernels that sum products: convolution, fully connected layers, mix. Convolutions run with what
// models fuse into them: forward bias, scale and activation; backward by data, where the problem
// names an activation, the input's epilogue with both of its sums.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/catalog/old_kernels.h"

// ---- Sums in double ----

struct sum {
    double value, magnitude, terms;
};

static void add(struct sum *sum, double a, double b) {
    sum->value += a * b;
    sum->magnitude += fabs(a * b);
    sum->terms++;
}

// What a check knows: the operands' meaning for the operation at hand.
struct truth {
    struct gb_kernel_state *state;
    struct gb_conv_problem p; // of a fully connected layer: a kernel as large as the image
    int out_h, out_w;
    struct gb_tensor x, dy;
    float *weights; // OIHW
    const float *scale, *bias;
    const struct gb_tensor *activated; // the input epilogue's x
};

// Holds elements of `view` to definition(truth, n, y, x, c), each of about `products` products.
static enum gb_status
hold(const struct truth *truth, const char *what, const struct gb_tensor *view, double products,
     struct sum (*definition)(const struct truth *truth, int n, int y, int x, int c)) {
    enum { LEAST_SAMPLE = 64 };
    const struct gb_random_key key = {.seed = 1, .purpose = GB_RANDOM_TEST};
    size_t all = gb_elements(view),
           count = (size_t)fmax(LEAST_SAMPLE, GB_CHECK_PRODUCTS / products);
    if (count > all)
        count = all;
    for (size_t s = 0; s < count; s++) {
        // One element from each of `count` equal stretches.
        size_t begin = s * all / count, length = (s + 1) * all / count - begin;
        size_t e = begin + (size_t)(gb_random_uniform(&key, (uint32_t)s) * (float)(length - 1));
        if (s + 1 == count)
            e = all - 1;
        size_t c = (size_t)view->c, w = (size_t)view->w, h = (size_t)view->h;
        int at[] = {(int)(e / c / w / h), (int)(e / c / w % h), (int)(e / c % w), (int)(e % c)};
        struct sum want = definition(truth, at[0], at[1], at[2], at[3]);
        double got = gb_at(view, at[0], at[1], at[2])[at[3]];
        double bound = 2 * (want.terms + 8) * 0x1p-24 * want.magnitude;
        if (!(fabs(got - want.value) <= bound))
            return gb_kernel_differs(truth->state, what, view, e, got, want.value, bound);
    }
    return GB_OK;
}

static double weight(const struct truth *t, int o, int q, int a, int b) {
    const struct gb_conv_problem *p = &t->p;
    return t->weights[(((size_t)o * (size_t)p->c + (size_t)q) * (size_t)p->kernel_h + (size_t)a) *
                          (size_t)p->kernel_w +
                      (size_t)b];
}

static bool inside(int at, int size) {
    return at >= 0 && at < size;
}

static double activate(enum gb_activation activation, double u) {
    switch (activation) {
    case GB_RELU:
        return u > 0 ? u : 0;
    case GB_LEAKY_RELU:
        return u > 0 ? u : u * (double)gb_leaky_slope;
    case GB_TANH:
        return tanh(u);
    case GB_IDENTITY:
        break;
    }
    return u;
}

static double slope(enum gb_activation activation, double y) {
    switch (activation) {
    case GB_RELU:
        return y > 0;
    case GB_LEAKY_RELU:
        return y > 0 ? 1 : (double)gb_leaky_slope;
    case GB_TANH:
        return 1 - y * y;
    case GB_IDENTITY:
        break;
    }
    return 1;
}

static struct sum output_of(const struct truth *t, int n, int i, int j, int o) {
    const struct gb_conv_problem *p = &t->p;
    struct sum sum = {0};
    for (int a = 0; a < p->kernel_h; a++)
        for (int b = 0; b < p->kernel_w; b++) {
            int y = i * p->stride_h + a - p->pad_h, x = j * p->stride_w + b - p->pad_w;
            if (inside(y, p->h) && inside(x, p->w))
                for (int q = 0; q < p->c; q++)
                    add(&sum, gb_at(&t->x, n, y, x)[q], weight(t, o, q, a, b));
        }
    add(&sum, t->bias[o], 1);
    double scale = t->scale ? (double)t->scale[o] : 1;
    sum.value = activate(p->activation, scale * sum.value);
    // No activation is steeper than 1; a hyperbolic tangent has roundings of its own.
    sum.magnitude = fabs(scale) * sum.magnitude + (p->activation == GB_TANH);
    return sum;
}

// The output position along an axis that reads `at` by tap `a`, or -1.
static int reader(int at, int a, int pad, int stride, int out_size) {
    int position = at + pad - a;
    return position >= 0 && position % stride == 0 && position / stride < out_size
               ? position / stride
               : -1;
}

static struct sum input_gradient_of(const struct truth *t, int n, int y, int x, int q) {
    const struct gb_conv_problem *p = &t->p;
    struct sum sum = {0};
    for (int a = 0; a < p->kernel_h; a++)
        for (int b = 0; b < p->kernel_w; b++) {
            int i = reader(y, a, p->pad_h, p->stride_h, t->out_h);
            int j = reader(x, b, p->pad_w, p->stride_w, t->out_w);
            if (i >= 0 && j >= 0)
                for (int o = 0; o < p->k; o++)
                    add(&sum, gb_at(&t->dy, n, i, j)[o], weight(t, o, q, a, b));
        }
    if (t->activated) {
        double value = gb_at(t->activated, n, y, x)[q];
        double factor = (double)t->scale[q] * slope(p->activation, value);
        sum.value *= factor;
        sum.magnitude *= fabs((double)t->scale[q]) * (1 + value * value);
    }
    return sum;
}

static struct sum weight_gradient_of(const struct truth *t, int o, int q, int a, int b) {
    const struct gb_conv_problem *p = &t->p;
    struct sum sum = {0};
    for (int n = 0; n < p->n; n++)
        for (int i = 0; i < t->out_h; i++)
            for (int j = 0; j < t->out_w; j++) {
                int y = i * p->stride_h + a - p->pad_h, x = j * p->stride_w + b - p->pad_w;
                if (inside(y, p->h) && inside(x, p->w))
                    add(&sum, gb_at(&t->x, n, y, x)[q], gb_at(&t->dy, n, i, j)[o]);
            }
    return sum;
}

static double taps(const struct gb_conv_problem *p) {
    return (double)p->kernel_h * p->kernel_w;
}

// ---- Weights, of convolutions and fully connected layers ----

// Where they are updated, their moments follow them.
enum { WEIGHTS, MOMENT1, MOMENT2, UPDATED };

// Packed, and so padded: a problem within its limits may have more of them than an int counts.
static enum gb_status take_weights(struct gb_kernel_state *s, enum gb_timed_role role,
                                   enum gb_timed_fill fill, size_t floats) {
    GB_TRY(gb_floats_check(s->benchmark->operation, "packed weights", (double)floats));
    s->weights = s->operands;
    gb_kernel_take(s, role, fill, 1, 1, 1, (int)floats);
    if (role == GB_ROLE_IN_PLACE)
        for (int moment = MOMENT1; moment < UPDATED; moment++)
            gb_kernel_take(s, role, GB_TIMED_ZERO, 1, 1, 1, (int)floats);
    return GB_OK;
}

static float *weights_of(const struct gb_kernel_state *s) {
    return gb_kernel_floats(s, s->weights + WEIGHTS);
}

static struct gb_adam_target target_of(const struct gb_kernel_state *s) {
    return (struct gb_adam_target){&s->adam, weights_of(s),
                                   gb_kernel_floats(s, s->weights + MOMENT1),
                                   gb_kernel_floats(s, s->weights + MOMENT2)};
}

// A stored gradient in PyTorch's order. Its sums walk through memory a pixel at a time, which takes
// about four times as long as a walk along channels.
static enum gb_status hold_gradient(const struct truth *t, float *oihw) {
    const struct gb_conv_problem *p = &t->p;
    struct gb_tensor view = gb_dense(oihw, p->k, p->c, p->kernel_h, p->kernel_w);
    return hold(t, "weight gradient", &view, 4.0 * p->n * t->out_h * t->out_w, weight_gradient_of);
}

// What the kernel made of weights and moments, against Adam on the gradient that it stores.
static enum gb_status hold_update(const struct truth *t, size_t floats, const float *gradient) {
    static const char *const names[] = {"updated weight", "first moment", "second moment"};
    struct gb_kernel_state *s = t->state;
    const struct gb_exec one = {.threads = 1};
    struct gb_adam adam = s->adam;
    adam.learning_rate = GB_CHECK_LEARNING_RATE;
    float *want; // weights, then the moments, which begin as zero
    GB_TRY(gb_block_reserve(UPDATED * floats, "the weights to compare with", &want));
    gb_kernel_pack(s, t->weights, want);
    s->backend->adam(&one, &adam, floats, gradient, want, want + floats, want + 2 * floats);
    enum gb_status status = GB_OK;
    for (size_t i = 0; i < UPDATED * floats && status == GB_OK; i++) {
        const struct gb_tensor *view = &s->operand[s->weights + (int)(i / floats)].view;
        float got = ((float *)view->data)[i % floats];
        if (memcmp(&got, &want[i], sizeof got) != 0)
            status = gb_kernel_differs(s, names[i / floats], view, i % floats, got, want[i], 0);
    }
    free(want);
    return status;
}

// What a check of gradients needs beside the operands.
struct gradient {
    float *packed, *oihw;
};

static void gradient_free(struct gradient *g) {
    free(g->packed);
    free(g->oihw);
}

static enum gb_status gradient_new(const struct truth *t, size_t floats, struct gradient *g) {
    *g = (struct gradient){0};
    size_t count = (size_t)(taps(&t->p) * t->p.c) * (size_t)t->p.k;
    enum gb_status status = gb_block_reserve(floats, "the gradient to check", &g->packed);
    if (status == GB_OK)
        status = gb_block_reserve(count, "the gradient to check", &g->oihw);
    if (status != GB_OK)
        gradient_free(g);
    return status;
}

// ---- Fully connected layer ----

enum fc_forward_operand { FC_X, FC_Y, FC_BIAS };
enum fc_backward_operand { FC_BACK_X, FC_BACK_DY, FC_BACK_DX, FC_BACK_WEIGHTS, FC_BACK_GRADIENT };

static void take_fc_input(struct gb_kernel_state *s, enum gb_timed_role role) {
    const struct gb_fc_problem *p = gb_kernel_problem(s);
    gb_kernel_take(s, role, GB_TIMED_NORMAL, p->n, p->h, p->w, p->c);
}

static void take_fc_output(struct gb_kernel_state *s, enum gb_timed_role role) {
    const struct gb_fc_problem *p = gb_kernel_problem(s);
    gb_kernel_take(s, role, GB_TIMED_NORMAL, p->n, 1, 1, p->k);
}

static enum gb_status plan_fc(struct gb_kernel_state *s) {
    GB_TRY(s->backend->fc_plan(gb_kernel_problem(s), s->exec.threads, &s->plan.fc));
    gb_kernel_take_scratch(s, gb_fc_scratch_bytes(&s->plan.fc, s->exec.threads));
    return GB_OK;
}

static void free_fc(struct gb_kernel_state *s) {
    s->backend->fc_plan_free(&s->plan.fc);
}

static enum gb_status plan_fc_forward(struct gb_kernel_state *s) {
    const struct gb_fc_problem *p = gb_kernel_problem(s);
    GB_TRY(plan_fc(s));
    take_fc_input(s, GB_ROLE_IN);
    take_fc_output(s, GB_ROLE_OUT);
    gb_kernel_take_channels(s, GB_ROLE_IN, GB_TIMED_NORMAL, p->k);
    GB_TRY(take_weights(s, GB_ROLE_IN, GB_TIMED_WEIGHTS, s->plan.fc.weight_floats));
    return GB_OK;
}

static void run_fc_forward(struct gb_kernel_state *s) {
    s->backend->fc_forward(&s->plan.fc, &s->exec, &s->operand[FC_X].view, weights_of(s),
                           gb_kernel_floats(s, FC_BIAS), &s->operand[FC_Y].view);
}

static void take_fc_backward(struct gb_kernel_state *s) {
    take_fc_input(s, GB_ROLE_IN);
    take_fc_output(s, GB_ROLE_IN);
    take_fc_input(s, GB_ROLE_OUT);
}

static enum gb_status plan_fc_backward(struct gb_kernel_state *s) {
    GB_TRY(plan_fc(s));
    take_fc_backward(s);
    GB_TRY(take_weights(s, GB_ROLE_IN, GB_TIMED_WEIGHTS, s->plan.fc.weight_floats));
    gb_kernel_take(s, GB_ROLE_OUT, GB_TIMED_ZERO, 1, 1, 1, (int)s->plan.fc.weight_floats);
    return GB_OK;
}

static enum gb_status plan_fc_update(struct gb_kernel_state *s) {
    GB_TRY(plan_fc(s));
    take_fc_backward(s);
    GB_TRY(take_weights(s, GB_ROLE_IN_PLACE, GB_TIMED_WEIGHTS, s->plan.fc.weight_floats));
    return GB_OK;
}

static void back_fc(struct gb_kernel_state *s, float *gradient,
                    const struct gb_adam_target *update) {
    s->backend->fc_backward(&s->plan.fc, &s->exec, &s->operand[FC_BACK_X].view,
                            &s->operand[FC_BACK_DY].view, weights_of(s),
                            &s->operand[FC_BACK_DX].view, gradient, update);
}

static void run_fc_backward(struct gb_kernel_state *s) {
    back_fc(s, gb_kernel_floats(s, FC_BACK_GRADIENT), NULL);
}

static void run_fc_update(struct gb_kernel_state *s) {
    struct gb_adam_target target = target_of(s);
    back_fc(s, NULL, &target);
}

// A convolution whose kernel is the whole image: PyTorch flattens images as its weights lie.
static enum gb_status fc_truth(struct gb_kernel_state *s, struct truth *t) {
    const struct gb_fc_problem *p = gb_kernel_problem(s);
    *t = (struct truth){.state = s,
                        .p = {.n = p->n,
                              .h = p->h,
                              .w = p->w,
                              .c = p->c,
                              .k = p->k,
                              .kernel_h = p->h,
                              .kernel_w = p->w,
                              .stride_h = 1,
                              .stride_w = 1,
                              .activation = p->activation},
                        .out_h = 1,
                        .out_w = 1};
    return gb_kernel_weights(s, &t->weights);
}

static enum gb_status check_fc_forward(struct gb_kernel_state *s) {
    struct truth t;
    GB_TRY(fc_truth(s, &t));
    t.x = s->operand[FC_X].view;
    t.bias = gb_kernel_floats(s, FC_BIAS);
    enum gb_status status = gb_kernel_run_afresh(s);
    if (status == GB_OK)
        status = hold(&t, "output", &s->operand[FC_Y].view, taps(&t.p) * t.p.c, output_of);
    free(t.weights);
    return status;
}

static enum gb_status hold_fc_gradients(const struct truth *t, struct gradient *g) {
    struct gb_kernel_state *s = t->state;
    const struct gb_tensor *dx = &s->operand[FC_BACK_DX].view;
    GB_TRY(gb_kernel_refill(s));
    back_fc(s, g->packed, NULL);
    s->backend->fc_unpack(&s->plan.fc, g->packed, g->oihw);
    GB_TRY(hold_gradient(t, g->oihw));
    GB_TRY(gb_kernel_run_afresh(s));
    GB_TRY(hold(t, "data gradient", dx, t->p.k, input_gradient_of));
    return s->operand[s->weights].role == GB_ROLE_IN_PLACE
               ? hold_update(t, s->plan.fc.weight_floats, g->packed)
               : GB_OK;
}

static enum gb_status check_fc_backward(struct gb_kernel_state *s) {
    struct truth t;
    struct gradient g;
    GB_TRY(fc_truth(s, &t));
    t.x = s->operand[FC_BACK_X].view;
    t.dy = s->operand[FC_BACK_DY].view;
    enum gb_status status = gradient_new(&t, s->plan.fc.weight_floats, &g);
    if (status == GB_OK) {
        status = hold_fc_gradients(&t, &g);
        gradient_free(&g);
    }
    free(t.weights);
    return status;
}

// ---- Mix ----

enum inv1x1_operand {
    INV1X1_V,
    INV1X1_MATRICES,
    INV1X1_U,
    INV1X1_DU = INV1X1_U,
    INV1X1_DV,
    INV1X1_D_MATRICES
};

static enum gb_status plan_inv1x1(struct gb_kernel_state *s) {
    const struct gb_image_problem *p = gb_kernel_problem(s);
    GB_TRY(s->backend->inv1x1_plan(p, s->exec.threads, &s->plan.inv1x1));
    gb_kernel_take_scratch(s, s->plan.inv1x1.scratch_bytes);
    gb_kernel_take(s, GB_ROLE_IN, GB_TIMED_NORMAL, p->n, p->h, p->w, p->c);
    gb_kernel_take(s, GB_ROLE_IN, GB_TIMED_SMALL, p->n, 1, p->c, p->c);
    return GB_OK;
}

static enum gb_status plan_inv1x1_forward(struct gb_kernel_state *s) {
    const struct gb_image_problem *p = gb_kernel_problem(s);
    GB_TRY(plan_inv1x1(s));
    gb_kernel_take(s, GB_ROLE_OUT, GB_TIMED_ZERO, p->n, p->h, p->w, p->c);
    return GB_OK;
}

static enum gb_status plan_inv1x1_backward(struct gb_kernel_state *s) {
    const struct gb_image_problem *p = gb_kernel_problem(s);
    GB_TRY(plan_inv1x1(s));
    gb_kernel_take(s, GB_ROLE_IN, GB_TIMED_NORMAL, p->n, p->h, p->w, p->c);
    gb_kernel_take(s, GB_ROLE_OUT, GB_TIMED_ZERO, p->n, p->h, p->w, p->c);
    gb_kernel_take(s, GB_ROLE_OUT, GB_TIMED_ZERO, p->n, 1, p->c, p->c);
    return GB_OK;
}

static void run_inv1x1_forward(struct gb_kernel_state *s) {
    s->backend->inv1x1_forward(&s->plan.inv1x1, &s->exec, &s->operand[INV1X1_V].view,
                               gb_kernel_floats(s, INV1X1_MATRICES), &s->operand[INV1X1_U].view);
}

static void run_inv1x1_backward(struct gb_kernel_state *s) {
    s->backend->inv1x1_backward(&s->plan.inv1x1, &s->exec, &s->operand[INV1X1_V].view,
                                gb_kernel_floats(s, INV1X1_MATRICES), &s->operand[INV1X1_DU].view,
                                &s->operand[INV1X1_DV].view,
                                gb_kernel_floats(s, INV1X1_D_MATRICES));
}

static void free_inv1x1(struct gb_kernel_state *s) {
    s->backend->inv1x1_plan_free(&s->plan.inv1x1);
}

// Here the truth's x is v, its dy is du, and bias the matrices.
static struct sum mixed_of(const struct truth *t, int n, int y, int x, int row) {
    struct sum sum = {0};
    int c = t->x.c;
    for (int k = 0; k < c; k++)
        add(&sum, t->bias[((size_t)n * (size_t)c + (size_t)row) * (size_t)c + (size_t)k],
            gb_at(&t->x, n, y, x)[k]);
    return sum;
}

static struct sum inv1x1_input_gradient_of(const struct truth *t, int n, int y, int x, int k) {
    struct sum sum = {0};
    int c = t->x.c;
    for (int row = 0; row < c; row++)
        add(&sum, t->bias[((size_t)n * (size_t)c + (size_t)row) * (size_t)c + (size_t)k],
            gb_at(&t->dy, n, y, x)[row]);
    return sum;
}

static struct sum matrix_gradient_of(const struct truth *t, int n, int y, int row, int k) {
    (void)y;
    struct sum sum = {0};
    for (int i = 0; i < t->x.h; i++)
        for (int j = 0; j < t->x.w; j++)
            add(&sum, gb_at(&t->dy, n, i, j)[row], gb_at(&t->x, n, i, j)[k]);
    return sum;
}

static struct truth inv1x1_truth(struct gb_kernel_state *s) {
    return (struct truth){.state = s,
                          .x = s->operand[INV1X1_V].view,
                          .dy = s->operand[INV1X1_DU].view,
                          .bias = gb_kernel_floats(s, INV1X1_MATRICES)};
}

static enum gb_status check_inv1x1_forward(struct gb_kernel_state *s) {
    struct truth t = inv1x1_truth(s);
    GB_TRY(gb_kernel_run_afresh(s));
    return hold(&t, "output", &s->operand[INV1X1_U].view, t.x.c, mixed_of);
}

static enum gb_status check_inv1x1_backward(struct gb_kernel_state *s) {
    struct truth t = inv1x1_truth(s);
    GB_TRY(gb_kernel_run_afresh(s));
    GB_TRY(hold(&t, "data gradient", &s->operand[INV1X1_DV].view, t.x.c, inv1x1_input_gradient_of));
    return hold(&t, "matrix gradient", &s->operand[INV1X1_D_MATRICES].view, (double)t.x.h * t.x.w,
                matrix_gradient_of);
}

const struct gb_timed_kernel gb_product_kernels[] = {
    {&gb_fc_operation, GB_FORWARD, GB_TRAFFIC_READ, plan_fc_forward, run_fc_forward, free_fc,
     check_fc_forward},
    {&gb_fc_operation, GB_BACKWARD, GB_TRAFFIC_TRIAD, plan_fc_backward, run_fc_backward, free_fc,
     check_fc_backward},
    {&gb_fc_operation, GB_BACKWARD_UPDATE, GB_TRAFFIC_UPDATE, plan_fc_update, run_fc_update,
     free_fc, check_fc_backward},
    {&gb_inv1x1_operation, GB_FORWARD, GB_TRAFFIC_TRIAD, plan_inv1x1_forward, run_inv1x1_forward,
     free_inv1x1, check_inv1x1_forward},
    {&gb_inv1x1_operation, GB_BACKWARD, GB_TRAFFIC_TRIAD, plan_inv1x1_backward, run_inv1x1_backward,
     free_inv1x1, check_inv1x1_backward},
    {0},
};
