// SPDX-License-Identifier: MIT
// Traces: calls are noted by problem, timed over an inner backend, and computed by it; from several
// threads, and with two traces open at once.

#include "kernels/trace.h"
#include "tests/kernels/check.h"
#include "tests/support/test.h"

enum { COUNT = 1000, JOBS = 16 };

static void add_all(const struct gb_backend *backend, int threads, float *y) {
    const struct gb_exec exec = {.threads = threads};
    float ones[COUNT];
    for (int i = 0; i < COUNT; i++)
        ones[i] = 1;
    const struct gb_tensor x = gb_dense(ones, 1, 1, 10, 100), sum = gb_dense(y, 1, 1, 10, 100);
    backend->add(&exec, &x, &sum);
}

static struct gb_trace *new_trace(const struct gb_backend *inner) {
    struct gb_trace *trace;
    if (gb_trace_open(inner, &trace) != GB_OK)
        fail_msg("%s", gb_error_message());
    return trace;
}

// The only row of the trace.
static const struct gb_traced *row_of(struct gb_trace *trace) {
    const struct gb_traced *list;
    int count;
    assert_ok(gb_trace_list(trace, &list, &count));
    assert_int_equal(count, 1);
    return list;
}

GB_TEST(records_without_computing) {
    struct gb_trace *trace = new_trace(NULL);
    float y[COUNT] = {0};
    add_all(gb_trace_backend(trace), 1, y);
    add_all(gb_trace_backend(trace), 1, y);
    const struct gb_traced *row = row_of(trace);
    const struct gb_image_problem problem = {1, 1, 10, 100};
    assert_ptr_equal(row->operation, &gb_add_operation);
    assert_int_equal(row->direction, GB_FORWARD);
    assert_memory_equal(&row->problem, &problem, sizeof problem);
    assert_int_equal(row->calls, 2);
    assert_true(row->seconds == 0 && row->cost.flops == COUNT && row->cost.bytes == 12 * COUNT);
    assert_true(y[0] == 0 && gb_trace_product_flops(trace) == 0);
    gb_trace_close(trace);
}

GB_TEST(times_the_inner_backend) {
    struct gb_trace *trace = new_trace(gb_check_reference());
    float y[COUNT] = {0};
    add_all(gb_trace_backend(trace), 2, y);
    assert_true(y[0] == 1 && y[COUNT - 1] == 1);
    assert_string_equal(gb_trace_backend(trace)->name, "scalar");
    const struct gb_traced *row = row_of(trace);
    assert_true(row->seconds > 0 && row->thread_seconds == 2 * row->seconds);
    gb_trace_clear(trace);
    add_all(gb_trace_backend(trace), 1, y);
    assert_int_equal(row_of(trace)->calls, 1);
    gb_trace_close(trace);
}

// Plans are the inner backend's, and both gradients of a convolution have a row of their own.
GB_TEST(notes_plans_and_directions) {
    struct gb_trace *trace = new_trace(gb_check_reference());
    const struct gb_backend *backend = gb_trace_backend(trace);
    const struct gb_conv_problem problem = {1, 4, 4, 2, 3, 3, 3, 1, 1, 1, 1, GB_RELU, GB_FLOATS};
    struct gb_conv_plan plan;
    assert_ok(backend->conv_plan(backend, &problem, 1, &plan));
    assert_true(plan.weight_floats > 0);
    struct gb_exec exec = gb_check_exec(1, gb_conv_scratch_bytes(&plan, 1));
    struct gb_tensor x = gb_check_view("x", 1, 4, 4, 2, GB_CHECK_DENSE);
    struct gb_tensor dy = gb_check_view("dy", 1, 4, 4, 3, GB_CHECK_DENSE);
    float *packed = gb_check_floats("packed", plan.weight_floats, GB_CHECK_DENSE);
    backend->conv_backward_data(&plan, &exec, &dy, packed, NULL, &x);
    backend->conv_backward_weights(&plan, &exec, &x, &dy, packed, NULL);
    backend->conv_plan_free(&plan);
    const struct gb_traced *list;
    int count;
    assert_ok(gb_trace_list(trace, &list, &count));
    assert_int_equal(count, 2);
    assert_int_equal(list[0].direction, GB_BACKWARD_DATA);
    assert_int_equal(list[1].direction, GB_BACKWARD_WEIGHTS);
    char text[GB_PROBLEM_TEXT]; // no epilogue was fused
    gb_problem_print(list[0].operation, &list[0].problem, text);
    assert_string_equal(text, "n1h4w4c2k3r3s3u1v1p1q1");
    assert_true(gb_trace_product_flops(trace) == 2 * gb_conv_flops(&problem));
    gb_trace_close(trace);
    gb_check_free();
}

struct two {
    const struct gb_backend *backends[2];
};

static void add_on_a_thread(void *argument, int index, int rank) {
    (void)rank;
    const struct two *two = argument;
    float y[COUNT] = {0};
    add_all(two->backends[index % 2], 1, y);
}

GB_TEST(keeps_two_apart_on_threads) {
    struct gb_trace *recording = new_trace(NULL), *profile = new_trace(gb_check_reference()), *more;
    assert_int_equal(gb_trace_open(NULL, &more), GB_UNSUPPORTED);
    assert_null(more);
    struct two two = {{gb_trace_backend(recording), gb_trace_backend(profile)}};
    gb_parallel_jobs(GB_CHECK_MAX_THREADS, JOBS, add_on_a_thread, &two);
    assert_int_equal(row_of(recording)->calls, JOBS / 2);
    assert_int_equal(row_of(profile)->calls, JOBS / 2);
    assert_true(row_of(recording)->seconds == 0 && row_of(profile)->seconds > 0);
    gb_trace_close(recording);
    gb_trace_close(new_trace(NULL));
    gb_trace_close(profile);
    gb_trace_close(NULL);
}
