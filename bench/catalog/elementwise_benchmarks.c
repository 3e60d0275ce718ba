// SPDX-License-Identifier: MIT
#include "bench/catalog/old_kernels.h"

static const struct gb_tensor *view(const struct gb_kernel_state *s, int operand) {
    return &s->operand[operand].view;
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

const struct gb_timed_kernel gb_elementwise_kernels[] = {
    {&gb_max_pool_operation, GB_FORWARD, GB_TRAFFIC_TRIAD, plan_pool, run_pool_forward, free_pool,
     NULL},
    {&gb_max_pool_operation, GB_BACKWARD, GB_TRAFFIC_TRIAD, plan_pool_backward, run_pool_backward,
     free_pool, NULL},
    {&gb_upsample_operation, GB_FORWARD, GB_TRAFFIC_TRIAD, plan_upsample_forward,
     run_upsample_forward, free_upsample, NULL},
    {&gb_upsample_operation, GB_BACKWARD, GB_TRAFFIC_TRIAD, plan_upsample_backward,
     run_upsample_backward, free_upsample, NULL},
    {0},
};
