// SPDX-License-Identifier: MIT
#include "bench/catalog/kernel_benchmarks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/verify.h"

struct state {
    struct gb_call call;
    struct gb_exec exec;
    double reorder_seconds;
    struct gb_adam adam; // its learning rate is 0 except in checks, so that all runs do the same
};

static enum gb_status take_operands(struct state *state, struct gb_arena *arena) {
    struct gb_call *call = &state->call;
    const struct gb_kernel *kernel = gb_kernel_of(call);
    gb_call_size(call);
    for (int i = 0; kernel->operands[i].name; i++) {
        int input = kernel->timed_in_place ? gb_in_place_of(call, i, 0) : -1;
        if (kernel->operands[i].layout == GB_PACKED)
            GB_TRY(gb_floats_check(call->operation->what, "packed weights",
                                   (double)call->operation->packed_floats(call)));
        if (input >= 0)
            call->operand[i].data = call->operand[input].data;
        else if (gb_elements(&call->operand[i]) > 0)
            call->operand[i].data = gb_arena_floats(arena, gb_operand_floats(call, i));
    }
    if (kernel->scratch) {
        state->exec.scratch_bytes = kernel->scratch(call);
        state->exec.scratch = gb_arena_alloc(arena, state->exec.scratch_bytes);
    }
    return GB_OK;
}

static void teardown(void *argument) {
    struct state *state = argument;
    const struct gb_call *call = &state->call;
    if (call->operation->plan_free)
        call->operation->plan_free(call);
    free(call->plan);
    free(state);
}

static enum gb_status setup(const struct gb_benchmark *benchmark, struct gb_arena *arena,
                            void **result) {
    *result = NULL;
    const struct gb_kernel_description *description = benchmark->description;
    struct state *state = calloc(1, sizeof *state);
    if (!state)
        return gb_no_memory("cannot set up", benchmark->problem);
    const struct gb_adam adam = {.beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .clip = 0.25f};
    state->adam = gb_adam_at_step(adam, 1);
    state->exec =
        (struct gb_exec){.threads = benchmark->threads, .reorder_seconds = &state->reorder_seconds};
    state->call = (struct gb_call){.backend = benchmark->backend,
                                   .exec = &state->exec,
                                   .operation = description->operation,
                                   .direction = description->direction,
                                   .problem = &description->problem,
                                   .adam = &state->adam,
                                   .numbers = GB_NUMBERS_TIMED,
                                   .seed = 1};
    struct gb_call *call = &state->call;
    enum gb_status status = GB_OK;
    if (call->operation->plan) {
        call->plan = calloc(1, call->operation->plan_bytes);
        status = call->plan ? call->operation->plan(call, benchmark->threads)
                            : gb_no_memory("cannot set up", call->operation->what);
    }
    if (status != GB_OK) {
        free(call->plan);
        free(state);
        return status;
    }
    status = take_operands(state, arena);
    if (status == GB_OK && arena->base) {
        // The arena's memory is zeroed but not yet touched: a run must not be the first to do so.
        for (int i = 0; gb_kernel_of(call)->operands[i].name; i++)
            if (call->operand[i].data)
                memset(call->operand[i].data, 0, gb_operand_floats(call, i) * sizeof(float));
        status = gb_call_fill(call);
    }
    if (status != GB_OK) {
        teardown(state);
        return status;
    }
    *result = state;
    return GB_OK;
}

static void run(void *argument) {
    struct state *state = argument;
    state->reorder_seconds = 0;
    gb_kernel_of(&state->call)->call(&state->call);
}

static enum gb_status check(void *argument) {
    struct state *state = argument;
    GB_TRY(gb_call_fill(&state->call));
    state->adam.learning_rate = GB_CHECK_LEARNING_RATE;
    run(state);
    enum gb_status status = gb_call_check(&state->call, 2, GB_CHECK_PRODUCTS);
    state->adam.learning_rate = 0;
    return status;
}

static double reorder_seconds(void *argument) {
    const struct state *state = argument;
    return state->reorder_seconds;
}

static const char *algorithm(void *argument) {
    const struct gb_call *call = &((const struct state *)argument)->call;
    const struct gb_operation *operation = call->operation;
    return operation->algorithm ? operation->algorithm(call->plan, call->direction) : NULL;
}

// ---- From text ----

// The direction of this name that the operation has; GB_DIRECTIONS: none.
static enum gb_direction find_direction(const struct gb_operation *operation, const char *name) {
    for (int d = 0; d < GB_DIRECTIONS; d++)
        if (operation->kernels[d].entry &&
            strcmp(gb_direction_name((enum gb_direction)d), name) == 0)
            return (enum gb_direction)d;
    return GB_DIRECTIONS;
}

enum gb_status gb_kernel_benchmark(const char *text, struct gb_benchmark *benchmark) {
    static const char what[] = "unknown problem";
    *benchmark = (struct gb_benchmark){
        .setup = setup, .run = run, .check = check, .algorithm = algorithm, .teardown = teardown};
    int shape = 0;
    if (strlen(text) >= sizeof benchmark->problem ||
        sscanf(text, "%31[a-z_]/%31[a-z_]/%n", benchmark->operation, benchmark->direction,
               &shape) != 2 ||
        !shape)
        return gb_fail(GB_BAD_INPUT, what, text, "expected OPERATION/DIRECTION/SHAPE");
    const struct gb_operation *const *operation = gb_operations();
    while (*operation && strcmp((*operation)->name, benchmark->operation) != 0)
        operation++;
    enum gb_direction direction =
        *operation ? find_direction(*operation, benchmark->direction) : GB_DIRECTIONS;
    if (direction == GB_DIRECTIONS)
        return gb_fail(GB_BAD_INPUT, what, text, "no kernel is timed as %s/%s",
                       benchmark->operation, benchmark->direction);
    struct gb_kernel_description description = {.operation = *operation, .direction = direction};
    GB_TRY(gb_problem_parse(*operation, text + shape, &description.problem));
    strcpy(benchmark->problem, text);
    struct gb_cost cost = gb_problem_cost(*operation, &description.problem, direction);
    benchmark->flops = cost.flops;
    benchmark->bytes = cost.bytes;
    benchmark->check_flops =
        (*operation)->product ? fmin(2.0 * GB_CHECK_PRODUCTS, cost.flops) : cost.flops;
    benchmark->traffic = (*operation)->kernels[direction].traffic;
    struct gb_kernel_description *kept = malloc(sizeof *kept);
    if (!kept)
        return gb_no_memory("cannot list benchmarks", text);
    *kept = description;
    benchmark->description = kept;
    return GB_OK;
}

const struct gb_backend *gb_kernel_owner(const struct gb_benchmark *benchmark,
                                         const struct gb_backend *backend) {
    const struct gb_kernel_description *description = benchmark->description;
    const char *entry = description->operation->kernels[description->direction].entry;
    return gb_backend_falls_back(backend, entry) ? backend->fallback : backend;
}

void gb_kernel_place(struct gb_benchmark *benchmark, const struct gb_backend *owner) {
    benchmark->backend = owner;
    benchmark->reorder_seconds = owner->fallback ? reorder_seconds : NULL;
}
