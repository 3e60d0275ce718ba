// SPDX-License-Identifier: MIT
// The units of bf16 problems: each has the bits of the widened reference in its own order of sums,
// with any number of threads.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/minmax.h"
#include "kernels/backend.h"
#include "kernels/bf16/units.h"
#include "tests/support/test.h"

static uint64_t state_of_random;
static float random_value(void) {
    state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(state_of_random >> 32) * 0x1p-31f;
}

static void *allocate(size_t bytes) {
    void *memory = aligned_alloc(GB_ALIGNMENT, gb_round_up(bytes + 1, GB_ALIGNMENT));
    assert_non_null(memory);
    memset(memory, 0, gb_round_up(bytes + 1, GB_ALIGNMENT));
    return memory;
}

static size_t tensor_bytes(const struct gb_tensor *t) {
    return gb_elements(t) * gb_type_bytes(t->type);
}
static struct gb_tensor new_tensor(enum gb_type type, int n, int h, int w, int c) {
    struct gb_tensor t = gb_dense_of(type, NULL, n, h, w, c);
    t.data = allocate(tensor_bytes(&t));
    GB_EACH_ELEMENT(&t, at)
        gb_put(&t, at[0], at[1], at[2], at[3], random_value());
    return t;
}
static float *new_channels(int c) {
    float *p = allocate(gb_round_up((size_t)c, GB_CHANNEL_PAD) * sizeof *p);
    for (int i = 0; i < c; i++)
        p[i] = random_value();
    return p;
}

// ---- Convolution ----

struct operands {
    struct gb_tensor x, y, dx, dy;
    float *weights, *bias, *scale, *d_bias, *d_log_scale; // weights: OIHW
    size_t weight_count;
};

// Both passes, overwriting y and dx.
static void run(const struct gb_bf16_unit *unit, const struct gb_conv_problem *p, int threads,
                const struct operands *o) {
    struct gb_conv_plan plan;
    assert_ok(unit->conv_plan(gb_backends()[0], p, threads, &plan));
    float *packed = allocate(plan.weight_floats * sizeof *packed);
    float *split = allocate(plan.weight_floats * sizeof *split);
    unit->conv_pack(&plan, o->weights, packed);
    gb_bf16_split_array(plan.weight_floats, packed, split);
    const size_t scratch_bytes = gb_conv_scratch_bytes(&plan, threads);
    const struct gb_exec exec = {threads, allocate(scratch_bytes), scratch_bytes, NULL};
    // NaN wherever a kernel reads what it did not write.
    memset(exec.scratch, 0xff, scratch_bytes);
    const struct gb_conv_epilogue forward = {o->bias, o->scale};
    unit->conv_forward(&plan, &exec, &o->x, split, &forward, &o->y);
    memset(exec.scratch, 0xff, scratch_bytes);
    const struct gb_conv_input_epilogue backward = {
        .activation = p->activation,
        .x = &o->x,
        .scale = o->scale,
        .d_bias = o->d_bias,
        .d_log_scale = gb_has_log_scale(p->activation) ? o->d_log_scale : NULL};
    unit->conv_backward_data(&plan, &exec, &o->dy, split, o->weight_count % 2 ? NULL : &backward,
                             &o->dx);
    unit->conv_plan_free(&plan);
    free(exec.scratch);
    free(packed);
    free(split);
}

static bool same_bits(const struct gb_bf16_unit *unit, const char *problem) {
    struct gb_conv_problem p;
    assert_ok(gb_problem_parse(&gb_conv_operation, problem, &p));
    if (p.format == GB_FLOATS)
        return true;
    state_of_random = 1;
    const int out_h = gb_conv_out_h(&p), out_w = gb_conv_out_w(&p), c = gb_max_int(p.c, p.k);
    struct operands o = {.x = new_tensor(gb_x_type(p.format), p.n, p.h, p.w, p.c),
                         .y = new_tensor(gb_y_type(p.format), p.n, out_h, out_w, p.k),
                         .dx = new_tensor(gb_x_type(p.format), p.n, p.h, p.w, p.c),
                         .dy = new_tensor(GB_BF16, p.n, out_h, out_w, p.k),
                         .bias = new_channels(c),
                         .scale = new_channels(c),
                         .d_bias = new_channels(c),
                         .d_log_scale = new_channels(c),
                         .weight_count =
                             (size_t)p.k * (size_t)p.c * (size_t)p.kernel_h * (size_t)p.kernel_w};
    o.weights = allocate(o.weight_count * sizeof *o.weights);
    for (size_t i = 0; i < o.weight_count; i++)
        o.weights[i] = random_value();
    run(unit->reference, &p, 2, &o);
    void *y = allocate(tensor_bytes(&o.y)), *dx = allocate(tensor_bytes(&o.dx));
    memcpy(y, o.y.data, tensor_bytes(&o.y));
    memcpy(dx, o.dx.data, tensor_bytes(&o.dx));
    bool same = true;
    for (int threads = 1; threads <= 3; threads++) {
        memset(o.y.data, 0xff, tensor_bytes(&o.y));
        memset(o.dx.data, 0xff, tensor_bytes(&o.dx));
        run(unit, &p, threads, &o);
        const bool same_y = memcmp(y, o.y.data, tensor_bytes(&o.y)) == 0;
        const bool same_dx = memcmp(dx, o.dx.data, tensor_bytes(&o.dx)) == 0;
        if (!same_y || !same_dx)
            fprintf(stderr, "%s on %s, %d threads: other bits in%s%s\n", problem, unit->name,
                    threads, same_y ? "" : " y", same_dx ? "" : " dx");
        same = same && same_y && same_dx;
    }
    void *all[] = {o.x.data, o.y.data, o.dx.data,     o.dy.data, o.weights, o.bias,
                   o.scale,  o.d_bias, o.d_log_scale, y,         dx};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    return same;
}

GB_TEST(test_conv_has_the_bits_of_the_reference) {
    bool same = true;
    for (const struct gb_bf16_unit *const *unit = gb_bf16_units(); *unit; unit++)
        for (const char *const *edge = gb_conv_operation.edges; *edge; edge++)
            same = same_bits(*unit, *edge) && same;
    assert_true(same);
}

// Rows are compared with the peak of the unit that their algorithm names. Fully connected layers
// are summed in pairs by every unit, so a unit of tiles may not be named.
GB_TEST(test_fc_names_a_unit_of_pairs) {
    for (const struct gb_bf16_unit *const *unit = gb_bf16_units(); *unit; unit++) {
        const struct gb_fc_plan plan = {.unit = *unit};
        const char *name = gb_fc_operation.algorithm(&plan, GB_FORWARD);
        const struct gb_bf16_unit *const *named = gb_bf16_units();
        while (*named && strcmp((*named)->name, name) != 0)
            named++;
        assert_non_null(*named);
        assert_ptr_not_equal((*named)->reference, &gb_bf16_widened_tiles);
    }
    assert_null(gb_fc_operation.algorithm(&(struct gb_fc_plan){0}, GB_FORWARD));
}
