// SPDX-License-Identifier: MIT
// The tester is tested: kernels that are wrong on purpose must each be caught.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kernels/check.h"

enum fault {
    NONE,
    WRITES_PAST_THE_END,
    SKIPS_THE_TAIL,
    READS_A_GUARD,
    ONE_WRONG_VALUE,
    DEPENDS_ON_THREADS,
};
enum { PIXELS = 6, CHANNELS = 7 };

// out = 2 * in, pixel by pixel.
static void twice(enum fault fault, int threads, const struct gb_tensor *in,
                  const struct gb_tensor *out) {
    for (int x = 0; x < in->w; x++) {
        const volatile float *from = gb_at(in, 0, 0, x);
        float *to = gb_at(out, 0, 0, x);
        bool last = x == in->w - 1;
        for (int c = 0; c < in->c - (fault == SKIPS_THE_TAIL && last); c++)
            to[c] = 2 * from[c];
        if (fault == WRITES_PAST_THE_END && last)
            to[in->c] = 0;
        if (fault == READS_A_GUARD && last)
            to[0] += 0 * from[in->c];
        if (fault == ONE_WRONG_VALUE && x == 2)
            to[1] *= 1 + 0x1p-20f;
        if (fault == DEPENDS_ON_THREADS && threads > 1 && last)
            to[3] *= 1 + 0x1p-23f;
    }
}

struct verdict {
    bool guards, near, same_bits, same_on_threads;
};

static struct verdict judge(enum fault fault, enum gb_check_layout layout) {
    struct gb_tensor in = gb_check_view("in", 1, 1, PIXELS, CHANNELS, layout);
    struct gb_tensor right = gb_check_view("right", 1, 1, PIXELS, CHANNELS, layout);
    struct gb_tensor out = gb_check_view("out", 1, 1, PIXELS, CHANNELS, layout);
    struct gb_tensor on_two = gb_check_view("on two threads", 1, 1, PIXELS, CHANNELS, layout);
    gb_check_fill(&in, GB_CHECK_NORMAL, 1);
    twice(NONE, 1, &in, &right);
    double want[PIXELS * CHANNELS], bound[PIXELS * CHANNELS];
    for (int i = 0; i < PIXELS * CHANNELS; i++) {
        want[i] = gb_at(&right, 0, 0, i / CHANNELS)[i % CHANNELS];
        bound[i] = 0x1p-22 * (want[i] < 0 ? -want[i] : want[i]);
    }
    twice(fault, 1, &in, &out);
    twice(fault, 2, &in, &on_two);
    gb_check_quiet = fault != NONE;
    struct verdict verdict = {
        .guards = gb_check_guards(),
        .near = gb_check_near("twice", &out, want, bound),
        .same_bits = gb_check_same_bits("twice", &right, &out),
        .same_on_threads = gb_check_same_bits("twice", &out, &on_two),
    };
    gb_check_quiet = false;
    gb_check_free();
    return verdict;
}

static void passes_a_right_kernel(void **state) {
    (void)state;
    for (int layout = 0; layout < GB_CHECK_LAYOUTS; layout++) {
        struct verdict v = judge(NONE, layout);
        assert_true(v.guards && v.near && v.same_bits && v.same_on_threads);
    }
}

static void catches_writes_past_the_end(void **state) {
    (void)state;
    assert_false(judge(WRITES_PAST_THE_END, GB_CHECK_DENSE).guards);
}

// In a slice the float after a pixel's last channel is the next pixel's gap.
static void catches_writes_into_a_gap(void **state) {
    (void)state;
    struct gb_tensor slice = gb_check_view("slice", 1, 2, PIXELS, CHANNELS, GB_CHECK_SLICE);
    gb_check_fill(&slice, GB_CHECK_NORMAL, 1);
    assert_true(gb_check_guards());
    gb_at(&slice, 0, 0, 1)[CHANNELS] = 0;
    gb_check_quiet = true;
    assert_false(gb_check_guards());
    gb_check_quiet = false;
    gb_check_free();
}

static void catches_a_skipped_tail(void **state) {
    (void)state;
    struct verdict v = judge(SKIPS_THE_TAIL, GB_CHECK_DENSE);
    assert_false(v.near);
    assert_false(v.same_bits);
}

static void catches_a_guard_that_was_read(void **state) {
    (void)state;
    assert_false(judge(READS_A_GUARD, GB_CHECK_DENSE).near);
}

static void catches_one_wrong_value(void **state) {
    (void)state;
    struct verdict v = judge(ONE_WRONG_VALUE, GB_CHECK_SLICE);
    assert_false(v.near);
    assert_false(v.same_bits);
}

static void catches_dependence_on_threads(void **state) {
    (void)state;
    struct verdict v = judge(DEPENDS_ON_THREADS, GB_CHECK_DENSE);
    assert_true(v.same_bits);
    assert_false(v.same_on_threads);
}

// A child process that runs into the inaccessible page dies of it.
static bool crashes(enum fault fault, enum gb_check_layout layout) {
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL);
        judge(fault, layout);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

static void crashes_beyond_a_flush_end(void **state) {
    (void)state;
    for (int layout = GB_CHECK_FLUSH; layout <= GB_CHECK_SLICE; layout++) {
        assert_false(crashes(NONE, layout));
        assert_true(crashes(READS_A_GUARD, layout));
        assert_true(crashes(WRITES_PAST_THE_END, layout));
    }
}

static void compares_numbers(void **state) {
    (void)state;
    assert_true(gb_check_number("near", 1.0, 1.0 + 1e-9, 1e-8));
    gb_check_quiet = true;
    assert_false(gb_check_number("far", 1.0, 1.1, 1e-8));
    assert_false(gb_check_number("not a number", 0.0 / 0.0, 1.0, 1e8));
    gb_check_quiet = false;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_a_right_kernel),
        cmocka_unit_test(catches_writes_past_the_end),
        cmocka_unit_test(catches_writes_into_a_gap),
        cmocka_unit_test(catches_a_skipped_tail),
        cmocka_unit_test(catches_a_guard_that_was_read),
        cmocka_unit_test(catches_one_wrong_value),
        cmocka_unit_test(catches_dependence_on_threads),
        cmocka_unit_test(crashes_beyond_a_flush_end),
        cmocka_unit_test(compares_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
