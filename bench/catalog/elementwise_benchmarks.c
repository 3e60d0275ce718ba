// SPDX-License-Identifier: MIT
// Kernels that work element by element, or copy. In place where c-Glow runs them in place.
#include "bench/catalog/old_kernels.h"

static const struct gb_tensor *view(const struct gb_kernel_state *s, int operand) {
    return &s->operand[operand].view;
}

static void take_image(struct gb_kernel_state *s, enum gb_timed_role role, enum gb_timed_fill fill,
                       const struct gb_image_problem *p, int channels) {
    gb_kernel_take(s, role, fill, p->n, p->h, p->w, channels);
}

// ---- Arrays ----

static void take_array(struct gb_kernel_state *s, enum gb_timed_role role,
                       enum gb_timed_fill fill) {
    const struct gb_array_problem *p = gb_kernel_problem(s);
    gb_kernel_take(s, role, fill, 1, 1, 1, p->count);
}

static size_t array_count(const struct gb_kernel_state *s) {
    const struct gb_array_problem *p = gb_kernel_problem(s);
    return (size_t)p->count;
}

enum adam_operand { ADAM_GRADIENT, ADAM_WEIGHTS, ADAM_MOMENT1, ADAM_MOMENT2 };

static enum gb_status plan_adam(struct gb_kernel_state *s) {
    take_array(s, GB_ROLE_IN, GB_TIMED_NORMAL);
    take_array(s, GB_ROLE_IN_PLACE, GB_TIMED_NORMAL);
    take_array(s, GB_ROLE_IN_PLACE, GB_TIMED_ZERO);
    take_array(s, GB_ROLE_IN_PLACE, GB_TIMED_ZERO);
    return GB_OK;
}

static void run_adam(struct gb_kernel_state *s) {
    s->backend->adam(&s->exec, &s->adam, array_count(s), gb_kernel_floats(s, ADAM_GRADIENT),
                     gb_kernel_floats(s, ADAM_WEIGHTS), gb_kernel_floats(s, ADAM_MOMENT1),
                     gb_kernel_floats(s, ADAM_MOMENT2));
}

static enum gb_status plan_exp(struct gb_kernel_state *s) {
    take_array(s, GB_ROLE_IN, GB_TIMED_SMALL);
    take_array(s, GB_ROLE_OUT, GB_TIMED_ZERO);
    return GB_OK;
}

static void run_exp(struct gb_kernel_state *s) {
    const float factor = 3; // of Glow's zero-initialised convolution
    s->backend->exp(&s->exec, array_count(s), factor, gb_kernel_floats(s, 0),
                    gb_kernel_floats(s, 1));
}

static enum gb_status plan_random(struct gb_kernel_state *s) {
    take_array(s, GB_ROLE_OUT, GB_TIMED_ZERO);
    return GB_OK;
}

static const struct gb_random_key random_key = {.seed = 1, .purpose = GB_RANDOM_TEST};

static void run_random_uniform(struct gb_kernel_state *s) {
    s->backend->random_uniform(&s->exec, &random_key, 0, array_count(s), 0, 1,
                               gb_kernel_floats(s, 0));
}

static void run_random_normal(struct gb_kernel_state *s) {
    s->backend->random_normal(&s->exec, &random_key, 0, array_count(s), 1, gb_kernel_floats(s, 0));
}

// ---- Addition ----

enum add_operand { ADD_X, ADD_Y };

static enum gb_status plan_add(struct gb_kernel_state *s) {
    const struct gb_image_problem *p = gb_kernel_problem(s);
    take_image(s, GB_ROLE_IN, GB_TIMED_NORMAL, p, p->c);
    take_image(s, GB_ROLE_IN_PLACE, GB_TIMED_NORMAL, p, p->c);
    return GB_OK;
}

static void run_add(struct gb_kernel_state *s) {
    s->backend->add(&s->exec, view(s, ADD_X), view(s, ADD_Y));
}

enum scaled_operand { SCALED_X, SCALED_R, SCALED_Y };

static enum gb_status plan_add_scaled(struct gb_kernel_state *s) {
    const struct gb_add_scaled_problem *p = gb_kernel_problem(s);
    for (int i = SCALED_X; i <= SCALED_Y; i++)
        take_image(s, i == SCALED_Y ? GB_ROLE_OUT : GB_ROLE_IN, GB_TIMED_NORMAL, &p->image,
                   p->image.c);
    return GB_OK;
}

static void run_add_scaled(struct gb_kernel_state *s) {
    const float factor = 0.2f; // an RRDB's
    const struct gb_add_scaled_problem *p = gb_kernel_problem(s);
    s->backend->add_scaled(&s->exec, p->alone ? NULL : view(s, SCALED_X), factor, view(s, SCALED_R),
                           view(s, SCALED_Y));
}

// ---- Changes of resolution ----

enum resolution_operand { FINE, COARSE, FINE_GRADIENT };

static enum gb_status plan_pool(struct gb_kernel_state *s) {
    const struct gb_pool_problem *p = gb_kernel_problem(s);
    GB_TRY(s->backend->max_pool_plan(p, s->exec.threads, &s->plan.pool));
    gb_kernel_take_scratch(s, s->plan.pool.scratch_bytes);
    gb_kernel_take(s, GB_ROLE_IN, GB_TIMED_NORMAL, p->n, p->h, p->w, p->c);
    gb_kernel_take(s, GB_ROLE_OUT, GB_TIMED_ZERO, p->n, gb_pool_out(p->h, p), gb_pool_out(p->w, p),
                   p->c);
    return GB_OK;
}

static enum gb_status plan_pool_backward(struct gb_kernel_state *s) {
    const struct gb_pool_problem *p = gb_kernel_problem(s);
    GB_TRY(plan_pool(s));
    s->operand[COARSE].role = GB_ROLE_IN;
    s->operand[COARSE].fill = GB_TIMED_NORMAL;
    gb_kernel_take(s, GB_ROLE_OUT, GB_TIMED_ZERO, p->n, p->h, p->w, p->c);
    return GB_OK;
}

static void run_pool_forward(struct gb_kernel_state *s) {
    s->backend->max_pool_forward(&s->plan.pool, &s->exec, view(s, FINE), view(s, COARSE));
}

static void run_pool_backward(struct gb_kernel_state *s) {
    s->backend->max_pool_backward(&s->plan.pool, &s->exec, view(s, FINE), view(s, COARSE),
                                  view(s, FINE_GRADIENT));
}

static void free_pool(struct gb_kernel_state *s) {
    s->backend->max_pool_plan_free(&s->plan.pool);
}

// Forward from coarse to fine, backward the other way.
static enum gb_status plan_upsample(struct gb_kernel_state *s, bool forward) {
    const struct gb_upsample_problem *p = gb_kernel_problem(s);
    GB_TRY(s->backend->upsample_plan(p, s->exec.threads, &s->plan.upsample));
    gb_kernel_take_scratch(s, s->plan.upsample.scratch_bytes);
    gb_kernel_take(s, forward ? GB_ROLE_OUT : GB_ROLE_IN, GB_TIMED_NORMAL, p->n, p->h * p->factor,
                   p->w * p->factor, p->c);
    gb_kernel_take(s, forward ? GB_ROLE_IN : GB_ROLE_OUT, GB_TIMED_NORMAL, p->n, p->h, p->w, p->c);
    return GB_OK;
}

static enum gb_status plan_upsample_forward(struct gb_kernel_state *s) {
    return plan_upsample(s, true);
}

static enum gb_status plan_upsample_backward(struct gb_kernel_state *s) {
    return plan_upsample(s, false);
}

static void run_upsample_forward(struct gb_kernel_state *s) {
    s->backend->upsample_forward(&s->plan.upsample, &s->exec, view(s, COARSE), view(s, FINE));
}

static void run_upsample_backward(struct gb_kernel_state *s) {
    s->backend->upsample_backward(&s->plan.upsample, &s->exec, view(s, FINE), view(s, COARSE));
}

static void free_upsample(struct gb_kernel_state *s) {
    s->backend->upsample_plan_free(&s->plan.upsample);
}

// ---- Likelihoods of the factored baselines ----

enum likelihood_operand { LIKELIHOOD_DATA, LIKELIHOOD_RAW, LIKELIHOOD_OUT, LIKELIHOOD_D };

// `channels` of what the network gives.
static void take_likelihood(struct gb_kernel_state *s, const struct gb_image_problem *p,
                            enum gb_timed_fill data, enum gb_timed_fill raw, int channels) {
    take_image(s, GB_ROLE_IN, data, p, p->c);
    take_image(s, GB_ROLE_IN, raw, p, channels);
}

static void take_likelihood_sums(struct gb_kernel_state *s, const struct gb_image_problem *p,
                                 size_t scratch) {
    gb_kernel_take_sums(s, p->n, (double)p->h * p->w * p->c);
    gb_kernel_take_scratch(s, scratch);
}

static void take_likelihood_gradient(struct gb_kernel_state *s, const struct gb_image_problem *p) {
    take_image(s, GB_ROLE_OUT, GB_TIMED_ZERO, p, view(s, LIKELIHOOD_RAW)->c);
    gb_kernel_take(s, GB_ROLE_IN, GB_TIMED_NORMAL, 1, 1, 1, p->n);
}

static void take_bernoulli(struct gb_kernel_state *s, enum gb_timed_fill data) {
    const struct gb_bernoulli_problem *p = gb_kernel_problem(s);
    take_likelihood(s, &p->image, data, GB_TIMED_NORMAL, p->image.c);
}

static enum gb_status plan_bernoulli_forward(struct gb_kernel_state *s) {
    const struct gb_bernoulli_problem *p = gb_kernel_problem(s);
    take_bernoulli(s, GB_TIMED_MASK);
    take_likelihood_sums(s, &p->image, gb_bernoulli_scratch_bytes(view(s, LIKELIHOOD_DATA)));
    return GB_OK;
}

static enum gb_status plan_bernoulli_backward(struct gb_kernel_state *s) {
    const struct gb_bernoulli_problem *p = gb_kernel_problem(s);
    take_bernoulli(s, GB_TIMED_MASK);
    take_likelihood_gradient(s, &p->image);
    return GB_OK;
}

static enum gb_status plan_bernoulli_sample(struct gb_kernel_state *s) {
    const struct gb_bernoulli_problem *p = gb_kernel_problem(s);
    take_bernoulli(s, GB_TIMED_UNIFORM);
    take_image(s, GB_ROLE_OUT, GB_TIMED_ZERO, &p->image, p->image.c);
    return GB_OK;
}

// With the weights of the vessels' default.
static struct gb_bernoulli bernoulli_of(const struct gb_kernel_state *s) {
    const struct gb_bernoulli_problem *p = gb_kernel_problem(s);
    return (struct gb_bernoulli){.weight_one = 0.9f, .weight_zero = 0.1f, p->normalised};
}

static void run_bernoulli_forward(struct gb_kernel_state *s) {
    struct gb_bernoulli bernoulli = bernoulli_of(s);
    s->backend->bernoulli_forward(&s->exec, &bernoulli, view(s, LIKELIHOOD_DATA),
                                  view(s, LIKELIHOOD_RAW), s->sums);
}

static void run_bernoulli_backward(struct gb_kernel_state *s) {
    struct gb_bernoulli bernoulli = bernoulli_of(s);
    s->backend->bernoulli_backward(&s->exec, &bernoulli, view(s, LIKELIHOOD_DATA),
                                   view(s, LIKELIHOOD_RAW), gb_kernel_floats(s, LIKELIHOOD_D),
                                   view(s, LIKELIHOOD_OUT));
}

static void run_bernoulli_sample(struct gb_kernel_state *s) {
    struct gb_bernoulli bernoulli = bernoulli_of(s);
    s->backend->bernoulli_sample(&s->exec, &bernoulli, view(s, LIKELIHOOD_DATA),
                                 view(s, LIKELIHOOD_RAW), view(s, LIKELIHOOD_OUT));
}

static void take_categorical(struct gb_kernel_state *s) {
    const struct gb_image_problem *p = gb_kernel_problem(s);
    take_likelihood(s, p, GB_TIMED_MASK, GB_TIMED_NORMAL, p->c);
}

static enum gb_status plan_categorical_forward(struct gb_kernel_state *s) {
    const struct gb_image_problem *p = gb_kernel_problem(s);
    take_categorical(s);
    take_likelihood_sums(s, p, gb_categorical_scratch_bytes(view(s, LIKELIHOOD_DATA)));
    return GB_OK;
}

static enum gb_status plan_categorical_backward(struct gb_kernel_state *s) {
    take_categorical(s);
    take_likelihood_gradient(s, gb_kernel_problem(s));
    return GB_OK;
}

static void run_categorical_forward(struct gb_kernel_state *s) {
    s->backend->categorical_forward(&s->exec, view(s, LIKELIHOOD_DATA), view(s, LIKELIHOOD_RAW),
                                    s->sums);
}

static void run_categorical_backward(struct gb_kernel_state *s) {
    s->backend->categorical_backward(&s->exec, view(s, LIKELIHOOD_DATA), view(s, LIKELIHOOD_RAW),
                                     gb_kernel_floats(s, LIKELIHOOD_D), view(s, LIKELIHOOD_OUT));
}

const struct gb_timed_kernel gb_elementwise_kernels[] = {
    {&gb_adam_operation, GB_FORWARD, GB_TRAFFIC_UPDATE, plan_adam, run_adam, NULL, NULL},
    {&gb_add_operation, GB_FORWARD, GB_TRAFFIC_UPDATE, plan_add, run_add, NULL, NULL},
    {&gb_exp_operation, GB_FORWARD, GB_TRAFFIC_TRIAD, plan_exp, run_exp, NULL, NULL},
    {&gb_random_uniform_operation, GB_FORWARD, GB_TRAFFIC_TRIAD, plan_random, run_random_uniform,
     NULL, NULL},
    {&gb_random_normal_operation, GB_FORWARD, GB_TRAFFIC_TRIAD, plan_random, run_random_normal,
     NULL, NULL},
    {&gb_add_scaled_operation, GB_FORWARD, GB_TRAFFIC_TRIAD, plan_add_scaled, run_add_scaled, NULL,
     NULL},
    {&gb_max_pool_operation, GB_FORWARD, GB_TRAFFIC_TRIAD, plan_pool, run_pool_forward, free_pool,
     NULL},
    {&gb_max_pool_operation, GB_BACKWARD, GB_TRAFFIC_TRIAD, plan_pool_backward, run_pool_backward,
     free_pool, NULL},
    {&gb_upsample_operation, GB_FORWARD, GB_TRAFFIC_TRIAD, plan_upsample_forward,
     run_upsample_forward, free_upsample, NULL},
    {&gb_upsample_operation, GB_BACKWARD, GB_TRAFFIC_TRIAD, plan_upsample_backward,
     run_upsample_backward, free_upsample, NULL},
    {&gb_bernoulli_operation, GB_FORWARD, GB_TRAFFIC_READ, plan_bernoulli_forward,
     run_bernoulli_forward, NULL, NULL},
    {&gb_bernoulli_operation, GB_BACKWARD, GB_TRAFFIC_TRIAD, plan_bernoulli_backward,
     run_bernoulli_backward, NULL, NULL},
    {&gb_bernoulli_operation, GB_SAMPLE, GB_TRAFFIC_TRIAD, plan_bernoulli_sample,
     run_bernoulli_sample, NULL, NULL},
    {&gb_categorical_operation, GB_FORWARD, GB_TRAFFIC_READ, plan_categorical_forward,
     run_categorical_forward, NULL, NULL},
    {&gb_categorical_operation, GB_BACKWARD, GB_TRAFFIC_TRIAD, plan_categorical_backward,
     run_categorical_backward, NULL, NULL},
    {0},
};
