// SPDX-License-Identifier: MIT
#include "bench/catalog/old_kernels.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Operands ----

enum { WEIGHTS_STREAM = 100, MASK_STREAM }; // of random numbers; operands have the first ones

void gb_kernel_take(struct gb_kernel_state *state, enum gb_timed_role role, enum gb_timed_fill fill,
                    int n, int h, int w, int c) {
    struct gb_timed_operand operand = {gb_dense(NULL, n, h, w, c), role, fill, 1};
    operand.view.data = gb_arena_floats(state->arena, gb_elements(&operand.view));
    state->operand[state->operands++] = operand;
}

void gb_kernel_take_channels(struct gb_kernel_state *state, enum gb_timed_role role,
                             enum gb_timed_fill fill, int channels) {
    struct gb_timed_operand operand = {gb_dense(NULL, 1, 1, 1, channels), role, fill, 1};
    operand.view.data =
        gb_arena_floats(state->arena, gb_round_up((size_t)channels, GB_CHANNEL_PAD));
    state->operand[state->operands++] = operand;
}

void gb_kernel_take_sums(struct gb_kernel_state *state, int count, double terms) {
    state->sums = gb_arena_doubles(state->arena, (size_t)count);
    state->sum_count = count;
    state->sum_terms = terms;
}

void gb_kernel_take_scratch(struct gb_kernel_state *state, size_t bytes) {
    state->exec.scratch = gb_arena_alloc(state->arena, bytes);
    state->exec.scratch_bytes = bytes;
}

void gb_kernel_fill_normal(const struct gb_kernel_state *state, uint32_t stream, float spread,
                           size_t count, float *floats) {
    const struct gb_exec one = {.threads = 1};
    const struct gb_random_key key = {.seed = 1, .purpose = GB_RANDOM_TEST, .sample = stream};
    state->backend->random_normal(&one, &key, 0, count, spread, floats);
}

static bool is_conv(const struct gb_kernel_state *state) {
    const struct gb_kernel_description *description = state->benchmark->description;
    return description->kernel->operation == &gb_conv_operation;
}

enum gb_status gb_kernel_weights(const struct gb_kernel_state *state, float **elements) {
    size_t count, fan_in;
    if (is_conv(state)) {
        const struct gb_conv_problem *p = gb_kernel_problem(state);
        fan_in = (size_t)p->c * (size_t)p->kernel_h * (size_t)p->kernel_w;
        count = fan_in * (size_t)p->k;
    } else {
        const struct gb_fc_problem *p = gb_kernel_problem(state);
        fan_in = gb_fc_inputs(p);
        count = fan_in * (size_t)p->k;
    }
    *elements = malloc(count * sizeof **elements);
    if (!*elements)
        return gb_fail(GB_OUT_OF_MEMORY, "cannot set up", state->benchmark->problem, "%zu weights",
                       count);
    gb_kernel_fill_normal(state, WEIGHTS_STREAM, 1 / sqrtf((float)fan_in), count, *elements);
    return GB_OK;
}

void gb_kernel_pack(const struct gb_kernel_state *state, const float *elements, float *packed) {
    if (is_conv(state))
        state->backend->conv_pack(&state->plan.conv, elements, packed);
    else
        state->backend->fc_pack(&state->plan.fc, elements, packed);
}

static void fill_uniform(const struct gb_kernel_state *state, uint32_t stream, size_t count,
                         float *floats) {
    const struct gb_exec one = {.threads = 1};
    const struct gb_random_key key = {.seed = 1, .purpose = GB_RANDOM_TEST, .sample = stream};
    state->backend->random_uniform(&one, &key, 0, count, 0, 1, floats);
}

static enum gb_status fill_operand(const struct gb_kernel_state *state, int i) {
    const struct gb_timed_operand *operand = &state->operand[i];
    size_t count = gb_elements(&operand->view);
    float *floats = operand->view.data, *elements;
    switch (operand->fill) {
    case GB_TIMED_NORMAL:
        gb_kernel_fill_normal(state, (uint32_t)i, 1, count, floats);
        break;
    case GB_TIMED_SMALL:
        gb_kernel_fill_normal(state, (uint32_t)i, 0.25f, count, floats);
        break;
    case GB_TIMED_UNIFORM:
        fill_uniform(state, (uint32_t)i, count, floats);
        break;
    case GB_TIMED_MASK:
        fill_uniform(state, MASK_STREAM, count, floats);
        for (size_t e = 0; e < count; e++)
            floats[e] = floats[e] >= 0.5f;
        break;
    case GB_TIMED_ZERO:
        memset(floats, 0, count * sizeof *floats);
        break;
    case GB_TIMED_WEIGHTS:
        GB_TRY(gb_kernel_weights(state, &elements));
        gb_kernel_pack(state, elements, floats);
        free(elements);
        break;
    }
    return GB_OK;
}

enum gb_status gb_kernel_refill(struct gb_kernel_state *state) {
    for (int i = 0; i < state->operands; i++)
        GB_TRY(fill_operand(state, i));
    for (int i = 0; i < state->sum_count; i++)
        state->sums[i] = 0;
    return GB_OK;
}

// ---- Life ----

static const struct gb_timed_kernel *kernel_of(const struct gb_kernel_state *state) {
    const struct gb_kernel_description *description = state->benchmark->description;
    return description->kernel;
}

static void teardown(void *argument) {
    struct gb_kernel_state *state = argument;
    if (kernel_of(state)->free)
        kernel_of(state)->free(state);
    free(state);
}

static enum gb_status setup(const struct gb_benchmark *benchmark, struct gb_arena *arena,
                            void **result) {
    *result = NULL;
    struct gb_kernel_state *state = calloc(1, sizeof *state);
    if (!state)
        return gb_no_memory("cannot set up", benchmark->problem);
    state->benchmark = benchmark;
    state->backend = benchmark->backend;
    state->arena = arena;
    state->exec.threads = benchmark->threads;
    state->exec.reorder_seconds = &state->reorder_seconds;
    const struct gb_adam adam = {.beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .clip = 0.25f};
    state->adam = gb_adam_at_step(adam, 1);
    enum gb_status status = kernel_of(state)->plan(state);
    if (status != GB_OK) { // there is no plan to free
        free(state);
        return status;
    }
    assert(state->operands <= (int)(sizeof state->operand / sizeof *state->operand));
    if (arena->base)
        status = gb_kernel_refill(state);
    if (status != GB_OK) {
        teardown(state);
        return status;
    }
    *result = state;
    return GB_OK;
}

static void run(void *argument) {
    struct gb_kernel_state *state = argument;
    state->reorder_seconds = 0;
    kernel_of(state)->run(state);
}

static double reorder_seconds(void *argument) {
    const struct gb_kernel_state *state = argument;
    return state->reorder_seconds;
}

// ---- The check against the reference ----

enum gb_status gb_kernel_differs(const struct gb_kernel_state *state, const char *what,
                                 const struct gb_tensor *view, size_t where, double got,
                                 double want, double bound) {
    size_t c = (size_t)view->c, w = (size_t)view->w, h = (size_t)view->h;
    return gb_fail(GB_CHECK_FAILED, "wrong result", state->benchmark->problem,
                   "%s on %s, %d threads, at [%zu, %zu, %zu, %zu]: %.9g, not %.9g +- %.3g", what,
                   state->backend->name, state->exec.threads, where / c / w / h, where / c / w % h,
                   where / c % w, where % c, got, want, bound);
}

static enum gb_status compare_operand(const struct gb_kernel_state *state,
                                      const struct gb_kernel_state *reference, int i) {
    const struct gb_tensor *view = &state->operand[i].view;
    const float *got = view->data, *want = reference->operand[i].view.data;
    double terms = state->operand[i].terms;
    for (size_t e = 0; e < gb_elements(view); e++) {
        double bound = GB_CHECK_ROUNDING * fmax(terms, fabs((double)want[e]));
        if (!(fabs((double)got[e] - want[e]) <= bound))
            return gb_kernel_differs(state, "output", view, e, got[e], want[e], bound);
    }
    return GB_OK;
}

static enum gb_status compare(const struct gb_kernel_state *state,
                              const struct gb_kernel_state *reference) {
    for (int i = 0; i < state->operands; i++)
        if (state->operand[i].role != GB_ROLE_IN)
            GB_TRY(compare_operand(state, reference, i));
    struct gb_tensor samples = gb_dense(NULL, 1, 1, 1, state->sum_count);
    for (int i = 0; i < state->sum_count; i++) {
        double got = state->sums[i], want = reference->sums[i];
        double bound = GB_CHECK_ROUNDING * fmax(state->sum_terms, fabs(want));
        if (!(fabs(got - want) <= bound))
            return gb_kernel_differs(state, "sum", &samples, (size_t)i, got, want, bound);
    }
    return GB_OK;
}

enum gb_status gb_kernel_run_afresh(struct gb_kernel_state *state) {
    GB_TRY(gb_kernel_refill(state));
    float still = state->adam.learning_rate;
    state->adam.learning_rate = GB_CHECK_LEARNING_RATE;
    run(state);
    state->adam.learning_rate = still;
    return GB_OK;
}

static enum gb_status check_against(struct gb_kernel_state *state,
                                    const struct gb_benchmark *reference) {
    struct gb_arena arena = {0};
    void *other;
    GB_TRY(setup(reference, &arena, &other));
    teardown(other);
    GB_TRY(gb_arena_reserve(&arena, "the reference's operands"));
    enum gb_status status = setup(reference, &arena, &other);
    if (status == GB_OK) {
        status = gb_kernel_run_afresh(other);
        if (status == GB_OK)
            status = gb_kernel_run_afresh(state);
        if (status == GB_OK)
            status = compare(state, other);
        teardown(other);
    }
    gb_arena_free(&arena);
    return status;
}

static enum gb_status check(void *argument) {
    struct gb_kernel_state *state = argument;
    if (kernel_of(state)->check)
        return kernel_of(state)->check(state);
    struct gb_benchmark reference = *state->benchmark;
    reference.threads = 1;
    GB_TRY(gb_backend_find("scalar", &reference.backend));
    return check_against(state, &reference);
}

const struct gb_timed_kernel *gb_old_kernel(const struct gb_operation *operation,
                                            enum gb_direction direction) {
    const struct gb_timed_kernel *const tables[] = {gb_product_kernels, gb_elementwise_kernels};
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const struct gb_timed_kernel *k = tables[t]; k->operation; k++)
            if (k->operation == operation && k->direction == direction)
                return k;
    return NULL;
}

void gb_old_benchmark(struct gb_benchmark *benchmark) {
    benchmark->setup = setup;
    benchmark->run = run;
    benchmark->check = check;
    benchmark->algorithm = NULL;
    benchmark->teardown = teardown;
}

double gb_old_reorder_seconds(void *state) {
    return reorder_seconds(state);
}
