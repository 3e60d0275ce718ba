// SPDX-License-Identifier: MIT
// The tester is tested: kernels that are wrong on purpose must each be caught.
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

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

GB_TEST(catches_each_fault) {
    static const struct {
        enum fault fault;
        enum gb_check_layout layout;
        struct verdict verdict;
    } cases[] = {
        {NONE, GB_CHECK_DENSE, {true, true, true, true}},
        {NONE, GB_CHECK_FLUSH, {true, true, true, true}},
        {NONE, GB_CHECK_SLICE, {true, true, true, true}},
        {WRITES_PAST_THE_END, GB_CHECK_DENSE, {false, true, true, true}},
        {SKIPS_THE_TAIL, GB_CHECK_DENSE, {true, false, false, true}},
        {READS_A_GUARD, GB_CHECK_DENSE, {true, false, false, true}},
        {ONE_WRONG_VALUE, GB_CHECK_SLICE, {true, false, false, true}},
        {DEPENDS_ON_THREADS, GB_CHECK_DENSE, {true, true, true, false}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct verdict got = judge(cases[i].fault, cases[i].layout);
        assert_memory_equal(&got, &cases[i].verdict, sizeof got);
    }
}

// In a slice the float after a pixel's last channel is the next pixel's gap.
GB_TEST(catches_writes_into_a_gap) {
    struct gb_tensor slice = gb_check_view("slice", 1, 2, PIXELS, CHANNELS, GB_CHECK_SLICE);
    gb_check_fill(&slice, GB_CHECK_NORMAL, 1);
    assert_true(gb_check_guards());
    gb_at(&slice, 0, 0, 1)[CHANNELS] = 0;
    gb_check_quiet = true;
    assert_false(gb_check_guards());
    gb_check_quiet = false;
    gb_check_free();
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

GB_TEST(crashes_beyond_a_flush_end) {
    for (int layout = GB_CHECK_FLUSH; layout <= GB_CHECK_SLICE; layout++) {
        assert_false(crashes(NONE, layout));
        assert_true(crashes(READS_A_GUARD, layout));
        assert_true(crashes(WRITES_PAST_THE_END, layout));
    }
}

GB_TEST(compares_numbers) {
    assert_number("near", 1.0, 1.0 + 1e-9, 1e-8);
    gb_check_quiet = true;
    assert_false(gb_check_number("far", 1.0, 1.1, 1e-8));
    assert_false(gb_check_number("not a number", 0.0 / 0.0, 1.0, 1e8));
    gb_check_quiet = false;
}

// ---- Whole kernels, through their descriptions ----

// The reference with one kernel replaced, which spoils what the right one made.
static const struct gb_backend *right;
static enum {
    SPOILS_NOTHING,
    SPOILS_THE_LAST_ELEMENT,
    SPOILS_THE_SUM,
    SPOILS_A_GAP,
    SPOILS_AN_INPUT,
    SPOILS_PADDING,
    FORGETS_AN_ELEMENT,
    IS_WRONG_IN_PLACE,
    IS_WRONG_ON_THREADS,
    USES_OLD_SCRATCH,
    ASSIGNS_THE_SUM,
    IS_INEXACT,
} damage;

static float *last_of(const struct gb_tensor *t) {
    return gb_at(t, t->n - 1, t->h - 1, t->w - 1) + t->c - 1;
}

static void next_float(float *value) {
    uint32_t bits;
    memcpy(&bits, value, sizeof bits);
    bits++;
    memcpy(value, &bits, sizeof bits);
}

static void damaged_coupling(const struct gb_exec *exec, enum gb_coupling_form form,
                             const struct gb_tensor *v, const struct gb_tensor *raw,
                             const struct gb_tensor *u, double *log_det) {
    bool in_place = v->data == u->data;
    double log_det_before = log_det ? log_det[0] : 0;
    float untouched = *last_of(u);
    const float old = *(const float *)exec->scratch;
    right->coupling_forward(exec, form, v, raw, u, log_det);
    if (damage == SPOILS_THE_LAST_ELEMENT)
        *last_of(u) *= 1 + 0x1p-10f;
    if (damage == SPOILS_THE_SUM)
        log_det[0] += 0.01;
    if (damage == ASSIGNS_THE_SUM)
        log_det[0] -= log_det_before;
    if (damage == SPOILS_A_GAP && u->pixel > u->c)
        gb_at(u, 0, 0, 0)[u->c] = 0;
    if (damage == SPOILS_AN_INPUT)
        next_float(last_of(raw));
    if (damage == FORGETS_AN_ELEMENT && !in_place)
        *last_of(u) = untouched;
    if (damage == IS_WRONG_IN_PLACE && in_place)
        next_float(last_of(u));
    if (damage == IS_WRONG_ON_THREADS && exec->threads == 3)
        next_float(last_of(u));
    if (damage == USES_OLD_SCRATCH)
        *last_of(u) += 0 * old;
}

static void damaged_epilogue(const struct gb_exec *exec, enum gb_activation activation,
                             const struct gb_tensor *dy, const struct gb_tensor *y,
                             const float *scale, const struct gb_tensor *du, float *d_bias,
                             float *d_log_scale) {
    right->epilogue_backward(exec, activation, dy, y, scale, du, d_bias, d_log_scale);
    if (damage == SPOILS_PADDING && d_bias)
        d_bias[du->c] = 1;
    if (damage == IS_INEXACT && d_bias)
        next_float(d_bias);
}

static void damaged_weights(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                            const struct gb_tensor *x, const struct gb_tensor *dy, float *d_packed,
                            const struct gb_adam_target *update) {
    right->conv_backward_weights(plan, exec, x, dy, d_packed, update);
    if (damage == SPOILS_THE_LAST_ELEMENT)
        next_float(update ? update->moment2 : d_packed);
    if (damage == SPOILS_PADDING && d_packed)
        d_packed[plan->weight_floats - 1] = 1;
}

static void damaged_fc(const struct gb_fc_plan *plan, const struct gb_exec *exec,
                       const struct gb_tensor *x, const struct gb_tensor *dy, void *packed,
                       const struct gb_tensor *dx, float *d_packed,
                       const struct gb_adam_target *update) {
    right->fc_backward(plan, exec, x, dy, packed, dx, d_packed, update);
    if (damage == SPOILS_THE_LAST_ELEMENT && update && dx)
        next_float(last_of(dx));
}

static bool passes(int kind, const struct gb_operation *operation, enum gb_direction direction,
                   const char *text) {
    static struct gb_backend backend;
    right = gb_check_reference();
    backend = *right;
    backend.name = "damaged";
    backend.coupling_forward = damaged_coupling;
    backend.epilogue_backward = damaged_epilogue;
    backend.conv_backward_weights = damaged_weights;
    backend.fc_backward = damaged_fc;
    damage = kind;
    gb_check_quiet = kind != SPOILS_NOTHING;
    bool result = gb_check_kernel(&backend, operation, direction, text);
    gb_check_quiet = false;
    return result;
}

GB_TEST(catches_damaged_kernels) {
    static const struct {
        int damage;
        const struct gb_operation *operation;
        enum gb_direction direction;
        const char *text;
    } cases[] = {
        {SPOILS_THE_LAST_ELEMENT, &gb_coupling_operation, GB_FORWARD, "n2h3w5c2"},
        {SPOILS_THE_SUM, &gb_coupling_operation, GB_FORWARD, "n2h3w5c2"},
        {ASSIGNS_THE_SUM, &gb_coupling_operation, GB_FORWARD, "n2h3w5c2softplus"},
        {SPOILS_A_GAP, &gb_coupling_operation, GB_FORWARD, "n2h3w5c2"},
        {SPOILS_AN_INPUT, &gb_coupling_operation, GB_FORWARD, "n2h3w5c2"},
        {FORGETS_AN_ELEMENT, &gb_coupling_operation, GB_FORWARD, "n2h3w5c2additive"},
        {IS_WRONG_IN_PLACE, &gb_coupling_operation, GB_FORWARD, "n2h3w5c2"},
        {IS_WRONG_ON_THREADS, &gb_coupling_operation, GB_FORWARD, "n2h3w5c2"},
        {USES_OLD_SCRATCH, &gb_coupling_operation, GB_FORWARD, "n2h3w5c2"},
        {SPOILS_PADDING, &gb_epilogue_operation, GB_BACKWARD, "n2h3w5c2relu"},
        {IS_INEXACT, &gb_epilogue_operation, GB_BACKWARD, "n2h3w5c2relu"},
        {SPOILS_THE_LAST_ELEMENT, &gb_conv_operation, GB_BACKWARD_WEIGHTS,
         "n1h4w4c2k3r3s3u1v1p1q1"},
        {SPOILS_THE_LAST_ELEMENT, &gb_conv_operation, GB_BACKWARD_UPDATE, "n1h4w4c2k3r3s3u1v1p1q1"},
        {SPOILS_THE_LAST_ELEMENT, &gb_fc_operation, GB_BACKWARD_UPDATE, "n2h2w2c3k5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(passes(SPOILS_NOTHING, cases[i].operation, cases[i].direction, cases[i].text));
        if (passes(cases[i].damage, cases[i].operation, cases[i].direction, cases[i].text))
            fail_msg("damage %d passes in %s %s", cases[i].damage, cases[i].operation->name,
                     cases[i].text);
    }
}
