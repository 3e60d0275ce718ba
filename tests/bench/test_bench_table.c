// SPDX-License-Identifier: MIT
// The table at the end of `bench`, against means worked out by hand.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/report/table.h"
#include "tests/support/test.h"

static struct gb_row row_of(const char *operation, const char *shape, const char *backend,
                            double seconds, double share) {
    struct gb_row row = {.threads = 1,
                         .repetitions = 9,
                         .median_seconds = seconds,
                         .spread = 0.01,
                         .flops = 1e6,
                         .bytes = 1e4,
                         .gflops = 1e-3 / seconds,
                         .gbs = 1e-5 / seconds,
                         .peak_gflops = 100,
                         .peak_gbs = 10,
                         .bound = strcmp(operation, "fc") == 0 ? GB_BOUND_MEMORY : GB_BOUND_COMPUTE,
                         .share_of_peak = share};
    snprintf(row.problem, sizeof row.problem, "%s/forward/%s", operation, shape);
    strcpy(row.operation, operation);
    strcpy(row.direction, "forward");
    strcpy(row.backend, backend);
    return row;
}

static struct gb_row shared(struct gb_row row, struct gb_model_share *share) {
    row.shares = share;
    row.share_count = 1;
    return row;
}

static struct gb_row falling_back(struct gb_row row, const char *borrower) {
    strcpy(row.borrowers[0], borrower);
    return row;
}

static struct gb_row failed(struct gb_row row, char *error) {
    row.error = error;
    row.median_seconds = row.spread = row.gflops = row.gbs = row.share_of_peak = NAN;
    return row;
}

static struct gb_row launched(struct gb_row row, int launch) {
    row.launch = launch;
    return row;
}

#define HEADS                                                                                      \
    "\n"                                                                                           \
    "unknown CPU, commit unknown\n"                                                                \
    "\n"                                                                                           \
    "== 1 thread, warm caches: time, share of peak, speed (the fastest is 1.00)\n"                 \
    "\n"                                                                                           \
    "conv/forward  bound                     x                   y\n"                              \
    "a             compute   2.00us  50% 0.50    1.00us 100% 1.00 \n"
#define NOTES                                                                                      \
    "\nbound: compute or memory, whichever limits; the share is of that peak.\n"                   \
    "FLOPs are those of the definition: a kernel that needs fewer can exceed 100 %.\n"             \
    "In a step, time is the sum over all calls of the problems above; share and speed\n"           \
    "are geometric means over the calls, the fastest backend's speed is 1.00.\n"                   \
    "Timed kernels: those above. Problems: n batch, h x w size, c channels; of\n"                  \
    "convolutions c -> k channels, r x s kernel, u x v stride, p x q padding.\n"

static void assert_table(const struct gb_row *rows, size_t count, const char *expected) {
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    gb_bench_table_print(file, rows, count);
    assert_int_equal(fclose(file), 0);
    assert_string_equal(text, expected);
    free(text);
}

// A step of `m` calls a once, b three times, c twice, and d never. Means over all kernels, x: time
// (2 x 1^3 x 4^2)^(1/6) = 1.78, share (0.5 x 0.8^3 x 0.25^2)^(1/6) = 0.502; y: time
// (1 x 8^3 x 4^2)^(1/6) = 4.49 = 1.78 / 0.40, share (1 x 0.1^3 x 0.25^2)^(1/6) = 0.199. The
// launches of b on x are joined to 1 us.
GB_TEST(weighs_problems_by_their_calls) {
    struct gb_model_share a = {"m", 1}, b = {"m", 3}, c = {"m", 2};
    char error[] = "element 3 is 1, not 2";
    const struct gb_row rows[] = {
        row_of("control", "fixed", "none", 1e-6, 1),
        shared(row_of("conv", "a", "x", 2e-6, 0.5), &a),
        shared(row_of("conv", "a", "y", 1e-6, 1), &a),
        launched(shared(row_of("conv", "b", "x", 0.9e-6, 0.82), &b), 0),
        launched(shared(row_of("conv", "b", "x", 1.1e-6, 0.78), &b), 1),
        shared(row_of("conv", "b", "y", 8e-6, 0.1), &b),
        falling_back(shared(row_of("fc", "c", "x", 4e-6, 0.25), &c), "y"),
        row_of("fc", "d", "x", 1.5e-9, 0.25),
        failed(row_of("fc", "d", "y", 0, 0), error),
    };
    assert_table(rows, sizeof rows / sizeof *rows,
                 HEADS
                 "b             compute   1.00us  80% 1.00    8.00us  10% 0.12 \n"
                 "\n"
                 "fc/forward    bound                     x                   y\n"
                 "c             memory    4.00us  25% 1.00    4.00us  25% 1.00*\n"
                 "d             memory    1.50ns  25% 1.00              FAILED \n"
                 "\n"
                 "== one training step of m, 1 thread, warm caches\n"
                 "                calls  bound                     x                   y\n"
                 "conv/forward        4  compute   5.00us  71% 1.00    25.0us  18% 0.25 \n"
                 "fc/forward          2  memory    8.00us  25% 1.00    8.00us  25% 1.00*\n"
                 "timed kernels       6  both      13.0us  50% 1.00    33.0us  20% 0.40*\n"
                 "\n"
                 "== problems outside training steps, each once, 1 thread, warm caches\n"
                 "                calls  bound                     x                   y\n"
                 "fc/forward          1  memory    1.50ns  25% 1.00                   - \n"
                 "timed kernels       1  memory    1.50ns  25% 1.00                   - \n" NOTES
                 "*  the backend lacks this kernel and falls back to the native one\n"
                 "FAILED  fc/forward/d, y, 1 thread, warm caches: element 3 is 1, not 2\n");
}

// A backend without a time for one of the problems has no mean, and takes none from the others.
GB_TEST(has_no_mean_over_some_problems) {
    struct gb_model_share a = {"m", 1}, b = {"m", 3};
    const struct gb_row rows[] = {
        shared(row_of("conv", "a", "x", 2e-6, 0.5), &a),
        shared(row_of("conv", "a", "y", 1e-6, 1), &a),
        shared(row_of("conv", "b", "x", 1e-3, 0.5), &b),
    };
    assert_table(rows, sizeof rows / sizeof *rows,
                 HEADS
                 "b             compute   1.00ms  50% 1.00                   - \n"
                 "\n"
                 "== one training step of m, 1 thread, warm caches\n"
                 "                calls  bound                     x                   y\n"
                 "conv/forward        4  compute   3.00ms  50% 1.00              1 of 2 \n"
                 "timed kernels       4  compute   3.00ms  50% 1.00              1 of 2 \n" NOTES
                 "N of M: only N problems have a time, so there is no mean\n");
}

// Lines end at 80 columns: backends that do not fit follow below.
GB_TEST(more_backends_than_fit_follow_below) {
    struct gb_model_share a = {"m", 1};
    const struct gb_row rows[] = {
        shared(row_of("conv", "a", "w", 4e-6, 0.25), &a),
        shared(row_of("conv", "a", "x", 2e-6, 0.5), &a),
        shared(row_of("conv", "a", "y", 1e-6, 1), &a),
        shared(row_of("conv", "a", "z", 8e-6, 0.2), &a),
    };
    assert_table(rows, sizeof rows / sizeof *rows,
                 "\nunknown CPU, commit unknown\n\n"
                 "== 1 thread, warm caches: time, share of peak, speed (the fastest is 1.00)\n\n"
                 "conv/forward  bound                     w                   x\n"
                 "a             compute   4.00us  25% 0.25    2.00us  50% 0.50 \n\n"
                 "conv/forward  bound                     y                   z\n"
                 "a             compute   1.00us 100% 1.00    8.00us  20% 0.12 \n\n"
                 "== one training step of m, 1 thread, warm caches\n"
                 "                calls  bound                     w                   x\n"
                 "conv/forward        1  compute   4.00us  25% 0.25    2.00us  50% 0.50 \n"
                 "timed kernels       1  compute   4.00us  25% 0.25    2.00us  50% 0.50 \n\n"
                 "                calls  bound                     y                   z\n"
                 "conv/forward        1  compute   1.00us 100% 1.00    8.00us  20% 0.12 \n"
                 "timed kernels       1  compute   1.00us 100% 1.00    8.00us  20% 0.12 \n" NOTES);
}

GB_TEST(says_nothing_of_control_rows) {
    const struct gb_row control = row_of("control", "fixed", "none", 1e-6, 1);
    assert_table(&control, 1, "");
    assert_table(NULL, 0, "");
}
