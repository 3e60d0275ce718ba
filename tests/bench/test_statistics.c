// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/compare/comparison.h"
#include "kernels/random/random.h"
#include "tests/support/test.h"

// Made-up noise: a stream of random numbers.
struct noise_stream {
    uint32_t used;
};

static const struct gb_random_key key = {.seed = 1, .purpose = GB_RANDOM_TEST};

static double uniform(struct noise_stream *stream) {
    return gb_random_uniform(&key, stream->used++);
}

static double normal(struct noise_stream *stream, double deviation) {
    return deviation * gb_random_normal(&key, stream->used++);
}

static void assert_close(double value, double expected) {
    if (!(fabs(value - expected) <= 1e-12 * fmax(1, fabs(expected))))
        fail_msg("%.15g, expected %.15g", value, expected);
}

static void assert_tails(struct gb_p_values tails, double high, double low) {
    assert_close(tails.high, high);
    assert_close(tails.low, low);
}

// ---- Exact tests, by hand and by plain enumeration

GB_TEST(signed_ranks_by_hand) {
    double values[] = {1, -2, 3, 4, 5}; // ranks 1 + 3 + 4 + 5 = 13 of 15
    // Subsets that sum to 13, 14, 15: one each.
    assert_tails(gb_signed_rank(values, 5, 0), 3.0 / 32, 30.0 / 32);
    assert_tails(gb_signed_rank(values, 5, 6), 1, 1.0 / 32);
    double tied[] = {1, 1, -1, 2}; // ranks 2, 2, (2), 4: sums 8 and 10 of {2, 2, 2, 4}
    assert_close(gb_signed_rank(tied, 4, 0).high, (3.0 + 1) / 16);
    double zeros[] = {0, 0, 0};
    assert_tails(gb_signed_rank(zeros, 3, 0), 1, 1);
}

// Of the tables: with ten values, a sum of 8 or less has 25 of 1024 ways, one of 10 or less 43.
GB_TEST(signed_ranks_of_the_tables) {
    double values[10];
    for (int i = 0; i < 10; i++)
        values[i] = i == 7 ? i + 1 : -(i + 1);
    assert_close(gb_signed_rank(values, 10, 0).low, 25.0 / 1024);
    values[7] = -8;
    values[9] = 10;
    assert_close(gb_signed_rank(values, 10, 0).low, 43.0 / 1024);
}

GB_TEST(rank_sums_by_hand) {
    double a[] = {1, 2, 3, 4, 5}, b[] = {6, 7, 8, 9, 10}, c[] = {3.5, 7, 8, 9, 10};
    assert_tails(gb_rank_sum(a, 5, b, 5), 1.0 / 252, 1);
    assert_tails(gb_rank_sum(b, 5, a, 5), 1, 1.0 / 252);
    assert_close(gb_rank_sum(a, 5, c, 5).high, 4.0 / 252); // two inversions: 1 + 1 + 2 ways
    assert_close(gb_rank_sum(a, 2, b, 3).high, 1.0 / 10);
    assert_close(gb_rank_sum(a, 3, b, 2).high, 1.0 / 10);
    double tied[] = {1, 1, 2}, alike[] = {1, 2, 2};
    // Ranks 2, 2, 2, 5, 5, 5: of the 20 choices of three, those with two or three fives.
    assert_close(gb_rank_sum(tied, 3, alike, 3).high, 10.0 / 20);
    assert_close(gb_rank_sum(tied, 3, tied, 3).high, gb_rank_sum(tied, 3, tied, 3).low);
}

// All ways to choose `b_count` of the values, by their bits.
GB_TEST(rank_sums_as_enumerated) {
    struct noise_stream stream = {0};
    for (int trial = 0; trial < 50; trial++) {
        double values[12];
        int a_count = 2 + trial % 5, count = a_count + 2 + trial % 4;
        for (int i = 0; i < count; i++)
            values[i] = floor(20 * uniform(&stream)); // some are equal
        double seen = 0, ways = 0, high = 0, low = 0;
        for (unsigned chosen = (1u << count); chosen-- > 0;) {
            if (__builtin_popcount(chosen) != count - a_count)
                continue;
            double wins = 0; // the rank sum up to a constant
            for (int i = 0; i < count; i++)
                for (int j = 0; j < count; j++)
                    if ((chosen >> i & 1) && !(chosen >> j & 1))
                        wins += (values[i] > values[j]) + 0.5 * (values[i] == values[j]);
            if (ways == 0)
                seen = wins; // the last a_count + ... values: the choice with the highest bits
            ways++;
            high += wins >= seen;
            low += wins <= seen;
        }
        assert_tails(gb_rank_sum(values, a_count, values + a_count, count - a_count), high / ways,
                     low / ways);
    }
}

// Beyond 40 values: near the exact ones, and larger in the far tail.
GB_TEST(large_rank_sums_by_the_normal_approximation) {
    double a[40], b[40];
    for (int i = 0; i < 40; i++) {
        a[i] = i;
        b[i] = i + 0.5 + 0.1 * 40;
    }
    double exact = gb_rank_sum(a, 20, b, 20).high, near = gb_rank_sum(a, 20, b, 21).high;
    assert_true(near > 0.5 * exact && near < 2 * exact);
    assert_true(gb_rank_sum_min_p(21, 20) > 1e-12 && gb_rank_sum_min_p(21, 20) < 1e-6);
    assert_true(gb_rank_sum_min_p(30, 30) > exp(lgamma(31) * 2 - lgamma(61)));
    struct gb_p_values same = gb_rank_sum(a, 40, a, 40);
    assert_close(same.high, same.low);
    for (int i = 0; i < 40; i++)
        b[i] = 1;
    assert_close(gb_rank_sum(b, 40, b, 40).high, 1);
}

GB_TEST(least_chances) {
    assert_close(gb_signed_rank_min_p(10), 1.0 / 1024);
    assert_close(gb_rank_sum_min_p(9, 9), 1.0 / 48620);
    assert_close(gb_rank_sum_min_p(3, 9), 1.0 / 220);
    assert_int_equal(gb_min_pairs(1, 0.5), 1);
    assert_int_equal(gb_min_pairs(10, 0.01), 10); // 2^-10 <= 0.001
}

// ---- Intervals

// An end of an interval is where the test is about to refuse.
GB_TEST(intervals_are_what_the_tests_leave) {
    double values[] = {0.3, 1.7, 2.9, 4.1, 5.2, 7.7, 8.3, 9.6, 11.4};
    double level = 0.05, nudge = 1e-9;
    struct gb_interval interval = gb_signed_rank_interval(values, 9, 1 - level);
    assert_true(gb_signed_rank(values, 9, interval.low - nudge).high <= level / 2);
    assert_true(gb_signed_rank(values, 9, interval.low + nudge).high > level / 2);
    assert_true(gb_signed_rank(values, 9, interval.high + nudge).low <= level / 2);
    assert_true(gb_signed_rank(values, 9, interval.high - nudge).low > level / 2);
    double base[] = {1.1, 2.3, 4.9, 6.2, 7.1, 9.9};
    interval = gb_rank_sum_interval(base, 6, values, 9, 1 - level);
    double ends[] = {interval.low, interval.high};
    for (int end = 0; end < 2; end++)
        for (int side = -1; side <= 1; side += 2) {
            double shifted[6];
            for (int i = 0; i < 6; i++)
                shifted[i] = base[i] + ends[end] + side * nudge;
            struct gb_p_values tails = gb_rank_sum(shifted, 6, values, 9);
            bool refused = fmin(tails.high, tails.low) <= level / 2;
            assert_int_equal(refused, (end == 0) == (side < 0));
        }
}

GB_TEST(intervals_of_too_few_values_are_infinite) {
    double values[] = {1, 2, 4};
    struct gb_interval interval = gb_signed_rank_interval(values, 3, 0.99);
    assert_close(interval.estimate, (2 + 2.5) / 2); // of 1, 1.5, 2, 2.5, 3, 4
    assert_true(isinf(interval.low) && isinf(interval.high));
    double zero = 0;
    interval = gb_rank_sum_interval(&zero, 1, values, 3, 0.99);
    assert_close(interval.estimate, 2);
    assert_true(isinf(interval.low) && isinf(interval.high));
}

// Noise of launches: mostly small, now and then a launch that is 5 % slower as a whole.
static double launch_noise(struct noise_stream *stream, double deviation) {
    return normal(stream, deviation) + (uniform(stream) < 0.1 ? 0.05 : 0);
}

GB_TEST(intervals_cover_as_often_as_they_say) {
    enum { TRIALS = 4000, N = 12 };
    struct noise_stream stream = {0};
    int pairs = 0, sessions = 0, large = 0;
    for (int trial = 0; trial < TRIALS; trial++) {
        double a[2 * N], b[2 * N], difference[N];
        for (int i = 0; i < 2 * N; i++) {
            a[i] = launch_noise(&stream, 0.01);
            b[i] = launch_noise(&stream, 0.01) + 0.02;
        }
        for (int i = 0; i < N; i++)
            difference[i] = b[i] - a[i];
        struct gb_interval interval = gb_signed_rank_interval(difference, N, 0.95);
        pairs += interval.low <= 0.02 && interval.high >= 0.02;
        interval = gb_rank_sum_interval(a, N, b, N, 0.95);
        sessions += interval.low <= 0.02 && interval.high >= 0.02;
        interval = gb_rank_sum_interval(a, 2 * N, b, 2 * N, 0.95);
        large += interval.low <= 0.02 && interval.high >= 0.02;
    }
    print_message("95 %% intervals cover: pairs %.2f %%, sessions %.2f %%, large ones %.2f %%\n",
                  100.0 * pairs / TRIALS, 100.0 * sessions / TRIALS, 100.0 * large / TRIALS);
    // Whole steps of the ranks: a little more than 95 %; four standard errors are 1.4 %.
    assert_in_range(pairs, 0.936 * TRIALS, 0.975 * TRIALS);
    assert_in_range(sessions, 0.936 * TRIALS, 0.975 * TRIALS);
    assert_in_range(large, 0.936 * TRIALS, 0.975 * TRIALS);
}

// ---- Many tests and many looks

// The example of Benjamini and Hochberg (1995), section 4.
GB_TEST(discoveries_of_the_textbook) {
    double chances[] = {0.4262, 0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298,
                        0.0344, 0.0459, 0.3240, 0.5719, 0.6528, 0.7590, 1.0000};
    bool found[15];
    gb_benjamini_hochberg(chances, 15, 0.05, found);
    for (int i = 0; i < 15; i++)
        assert_int_equal(found[i], i >= 1 && i <= 4);
    gb_benjamini_hochberg(chances, 15, 0.00001, found);
    for (int i = 0; i < 15; i++)
        assert_false(found[i]);
    double stepping[] = {0.04, 0.05, 0.03}; // only together: 0.05 <= 0.05 * 3 / 3
    gb_benjamini_hochberg(stepping, 3, 0.05, found);
    assert_true(found[0] && found[1] && found[2]);
}

GB_TEST(looks_spend_the_level) {
    struct gb_looks looks = gb_looks_plan(10, 0.0025, 0, 1);
    assert_int_equal(looks.count, 4);
    assert_int_equal(looks.pairs[0], gb_min_pairs(10, 0.0025 / 4));
    for (int i = 1; i < 4; i++)
        assert_int_equal(looks.pairs[i], 2 * looks.pairs[i - 1]);
    assert_close(looks.level * looks.count, 0.0025);
    for (int most = 1; most < 40; most++) {
        looks = gb_looks_plan(10, 0.0025, most, 1);
        assert_int_equal(looks.count == 0, most < gb_min_pairs(10, 0.0025));
        for (int i = 0; i < looks.count; i++) {
            assert_true(gb_signed_rank_min_p(looks.pairs[i]) <= looks.level / 10);
            assert_true(i == 0 || looks.pairs[i] > looks.pairs[i - 1]);
        }
        if (looks.count > 0)
            assert_int_equal(looks.pairs[looks.count - 1], most);
    }
}

// ---- The whole decision, on made-up rows

enum { ROWS = 20, CONTROLS = 1, LAUNCHES = 9, PAIRS = 30, LAYOUT_PAIRS = 80 };

// Rows of two operations, one launch after another; the control's is the last of a launch.
struct sweep {
    struct gb_row list[(ROWS + CONTROLS) * LAYOUT_PAIRS];
    struct gb_rows rows[1];
};

static void name_row(struct gb_row *row, int number, int launch) {
    *row = (struct gb_row){.threads = 1, .launch = launch};
    bool control = number == ROWS;
    strcpy(row->operation, control ? "control" : number % 2 ? "conv" : "fc");
    strcpy(row->direction, "forward");
    strcpy(row->backend, control ? "none" : "avx2");
    snprintf(row->problem, sizeof row->problem, "%s/forward/%02d", row->operation, number);
}

struct noise {
    double launch, row; // deviations of what a launch's rows share, and of each
};

static void make_sweep(struct sweep *sweep, int launches, const struct noise *noise,
                       struct noise_stream *stream) {
    int count = 0;
    for (int launch = 0; launch < launches; launch++) {
        double shared = noise->launch > 0 ? launch_noise(stream, noise->launch) : 0;
        for (int number = 0; number < ROWS + CONTROLS; number++) {
            struct gb_row *row = &sweep->list[count++];
            name_row(row, number, launch);
            row->median_seconds = exp(shared + normal(stream, noise->row)) * (1 + number);
        }
    }
    sweep->rows[0] = (struct gb_rows){sweep->list, (size_t)count};
}

static void slow_down(struct sweep *sweep, int number, double factor) {
    for (size_t i = (size_t)number; i < sweep->rows->count; i += ROWS + CONTROLS)
        sweep->list[i].median_seconds *= factor;
}

static bool any_changed(const struct gb_compared *list, int count) {
    for (int i = 0; i < count; i++)
        if (list[i].change != GB_UNCHANGED)
            return true;
    return false;
}

static struct sweep base, new;

struct outcome {
    bool changed, non_inferior; // any row, the one that was slowed down
    enum gb_verdict verdict;
    int pairs;
};

enum { SLOWED = 3 };

// Judges the launches of both: as two sessions, or at a look at pairs; *done: it is the last.
static struct outcome judge(int launches, const struct gb_looks *looks, int look, double threshold,
                            bool *done) {
    struct gb_comparison c;
    base.rows->count = new.rows->count = (size_t)((ROWS + CONTROLS) * launches);
    const struct gb_rows rows[GB_SIDES] = {base.rows[0], new.rows[0]};
    assert_ok(gb_comparison_make(rows, &c));
    *done = !looks || gb_comparison_look(&c, looks, look, threshold);
    if (!looks)
        gb_comparison_judge(&c, threshold);
    struct outcome outcome = {.changed = any_changed(c.rows, c.row_count) ||
                                         any_changed(c.operations, c.operation_count),
                              .verdict = c.verdict,
                              .pairs = launches};
    int slowed = 0;
    while (strcmp(c.rows[slowed].row->problem, new.list[SLOWED].problem) != 0)
        assert_true(++slowed < c.row_count);
    outcome.non_inferior = c.rows[slowed].non_inferior;
    gb_comparison_free(&c);
    return outcome;
}

static void make_sweeps(int launches, const struct noise *noise, double factor,
                        struct noise_stream *stream) {
    make_sweep(&base, launches, noise, stream);
    make_sweep(&new, launches, noise, stream);
    slow_down(&new, SLOWED, factor);
}

// Of two sweeps, a row of new slower by `factor`.
static struct outcome compare(const struct noise *noise, double factor, double threshold,
                              struct noise_stream *stream) {
    bool done;
    make_sweeps(LAUNCHES, noise, factor, stream);
    return judge(LAUNCHES, NULL, 0, threshold, &done);
}

// The same in pairs, looked at as planned.
static struct outcome compare_pairs(const struct noise *noise, double factor, double threshold,
                                    struct noise_stream *stream) {
    const struct gb_looks looks = gb_looks_plan(ROWS, GB_FALSE_ALARMS / GB_GATES, PAIRS, 1);
    struct outcome outcome;
    bool done = false;
    make_sweeps(PAIRS, noise, factor, stream);
    for (int look = 0; !done; look++)
        outcome = judge(looks.pairs[look], &looks, look, threshold, &done);
    return outcome;
}

// What rows of a launch share is twice as large as what each has of its own.
static const struct noise wild = {0.04, 0.02}, calm = {0, 0.01};

// With a threshold out of the way, so that the tests alone decide.
GB_TEST(false_alarms_are_rarer_than_designed) {
    enum { TRIALS = 1000 };
    struct noise_stream stream = {0};
    int sessions = 0, pairs = 0, undecided = 0;
    for (int trial = 0; trial < TRIALS; trial++) {
        struct outcome outcome = compare(&wild, 1, 1.0001, &stream);
        sessions += outcome.changed;
        undecided += outcome.verdict == GB_INCONCLUSIVE;
        pairs += compare_pairs(&wild, 1, 1.0001, &stream).changed;
    }
    print_message("of %d called different: sessions %d, pairs %d; sessions that cannot decide %d\n",
                  TRIALS, sessions, pairs, undecided);
    assert_true(sessions <= GB_FALSE_ALARMS * TRIALS);
    assert_true(pairs <= GB_FALSE_ALARMS * TRIALS);
    // The control's own false alarms: 1 %, and three standard errors.
    assert_true(undecided <= 0.02 * TRIALS);
}

// 5 % in one of the rows, and nothing.
GB_TEST(a_slow_row_is_found) {
    enum { TRIALS = 300 };
    struct noise_stream stream = {0};
    int sessions = 0, pairs = 0, count = 0, none = 0, none_count = 0;
    for (int trial = 0; trial < TRIALS; trial++) {
        sessions += compare(&calm, 1.05, 1.03, &stream).verdict == GB_REGRESSION;
        struct outcome outcome = compare_pairs(&calm, 1.05, 1.03, &stream);
        pairs += outcome.verdict == GB_REGRESSION;
        count += outcome.pairs;
        outcome = compare_pairs(&calm, 1, 1.03, &stream);
        none += outcome.verdict == GB_NO_REGRESSION;
        none_count += outcome.pairs;
    }
    print_message("of %d found: sessions %d, pairs %d, %.1f each; none where none is: pairs %d, "
                  "%.1f each\n",
                  TRIALS, sessions, pairs, (double)count / TRIALS, none,
                  (double)none_count / TRIALS);
    assert_true(sessions >= 0.98 * TRIALS);
    assert_true(pairs >= 0.98 * TRIALS);
    assert_true(none >= 0.98 * TRIALS);
    // Sequences stop early where all is clear: the last look would be at PAIRS.
    assert_true(count < 20 * TRIALS && none_count < 20 * TRIALS);
}

// A row that is slower by the threshold, in noise that hides it: it is not passed.
GB_TEST(noise_passes_nothing) {
    enum { TRIALS = 500 };
    struct noise_stream stream = {0};
    int pairs = 0, undecided = 0, sessions = 0, non_inferior = 0;
    for (int trial = 0; trial < TRIALS; trial++) {
        struct outcome outcome = compare_pairs(&wild, 1.03, 1.03, &stream);
        pairs += outcome.verdict == GB_NO_REGRESSION;
        undecided += outcome.verdict == GB_INCONCLUSIVE;
        sessions += compare(&wild, 1.03, 1.03, &stream).non_inferior;
        non_inferior += compare(&calm, 1, 1.03, &stream).non_inferior;
    }
    print_message("of %d passed at the threshold: pairs %d (undecided %d), rows of sessions %d; "
                  "cleared where nothing is: %d\n",
                  TRIALS, pairs, undecided, sessions, non_inferior);
    assert_true(pairs <= GB_FALSE_ALARMS * TRIALS);
    assert_true(undecided >= 0.9 * TRIALS);
    // The bound is the test's own error: three standard errors above it.
    assert_true(sessions <= 0.02 * TRIALS);
    assert_true(non_inferior >= 0.98 * TRIALS);
}

// ---- Layouts

GB_TEST(layouts_are_looked_at_after_two_pairs_of_each) {
    struct gb_looks looks = gb_looks_plan(10, 0.0025, 0, 16);
    assert_int_equal(looks.count, 4);
    assert_int_equal(looks.pairs[0], 32);
    assert_int_equal(looks.pairs[3], GB_SAMPLE_MAX);
    // 2^-12 is at most 0.0025 / 10, not half of it.
    looks = gb_looks_plan(10, 0.0025, 0, 12);
    assert_int_equal(looks.count, 1);
    assert_int_equal(looks.pairs[0], 24);
    assert_int_equal(gb_looks_plan(10, 0.0025, 30, 12).pairs[0], 30);
    assert_int_equal(gb_looks_plan(10, 0.0025, 23, 12).count, 0);
    assert_int_equal(gb_looks_plan(10, 0.0025, 0, 11).count, 0);
}

GB_TEST(layout_values_and_noise_by_hand) {
    const double pairs[] = {1, 10, NAN, 3, 14, 7, 2, 12, NAN};
    double values[GB_SAMPLE_MAX];
    assert_int_equal(gb_layout_values(pairs, 9, 1, values), 7);
    assert_int_equal(gb_layout_values(pairs, 9, 3, values), 3); // {1, 3, 2}, {10, 14, 12}, {7}
    assert_close(values[0], 2);
    assert_close(values[1], 12);
    assert_close(values[2], 7);
    // Sums of squares 2 + 8 within, of 7 - 3 degrees; means 2, 12 and 7 about 7: 75 + 75 + 0, of 2.
    const struct gb_layout_noise noise = gb_layout_noise(pairs, 9, 3);
    assert_close(noise.launch, sqrt(10.0 / 4));
    assert_close(noise.layout, sqrt((75 - 2.5) / ((7 - 19.0 / 7) / 2)));
    assert_true(isnan(gb_layout_noise(pairs, 3, 3).layout));
    assert_true(isnan(gb_layout_noise(pairs, 9, 1).layout));
}

enum { LAYOUTS = 20 };

// Sequences of pairs in which each of the layouts changes each row of either build by 1.5 %, as a
// standard deviation, in all its launches; a row of new is slower by `factor`.
static struct outcome compare_layouts(int layouts, double factor, struct noise_stream *stream) {
    const double deviation = 0.015;
    const struct gb_looks looks =
        gb_looks_plan(ROWS, GB_FALSE_ALARMS / GB_GATES, LAYOUT_PAIRS, layouts);
    struct outcome outcome;
    bool done = false;
    make_sweeps(LAYOUT_PAIRS, &calm, factor, stream);
    struct sweep *const sides[GB_SIDES] = {&base, &new};
    for (enum gb_side side = GB_BASE; side < GB_SIDES; side++)
        for (int layout = 0; layout < layouts; layout++)
            for (int row = 0; row < ROWS; row++) {
                const double effect = exp(normal(stream, deviation));
                for (int pair = layout; pair < LAYOUT_PAIRS; pair += layouts)
                    sides[side]->list[pair * (ROWS + CONTROLS) + row].median_seconds *= effect;
            }
    for (int look = 0; !done; look++)
        outcome = judge(looks.pairs[look], &looks, look, 1.03, &done);
    return outcome;
}

// Where the linker put the functions is called a change if each build is one layout, and is not if
// it is twenty; 5 % in one row is found all the same.
GB_TEST(layout_is_not_a_change) {
    enum { TRIALS = 20 };
    struct noise_stream stream = {0};
    int single = 0, different = 0, slower = 0;
    for (int trial = 0; trial < TRIALS; trial++) {
        single += compare_layouts(1, 1, &stream).changed;
        different += compare_layouts(LAYOUTS, 1, &stream).changed;
        slower += compare_layouts(LAYOUTS, 1.05, &stream).verdict == GB_REGRESSION;
    }
    print_message("of %d called different: one layout %d, %d layouts %d; 5 %% found in %d\n",
                  TRIALS, single, LAYOUTS, different, slower);
    assert_true(single >= TRIALS / 2);
    assert_int_equal(different, 0);
    assert_true(slower >= 0.95 * TRIALS);
}
