// SPDX-License-Identifier: MIT
// Changes over many commits: p-values, where a change is found and when, and by simulation how
// often a machine's noise is taken for one.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/quantile.h"
#include "bench/history/history.h"
#include "kernels/random/random.h"
#include "tests/support/test.h"

enum { COMMITS = 60, MAX_ROWS = 20 };

// ---- p-values

// As gb_rank_sum, which enumerates sums of ranks.
GB_TEST(p_values_of_pairs_are_those_of_rank_sums) {
    for (int a = 1; a <= 20; a++)
        for (int b = 1; b <= 20; b++) {
            double before[20], after[20];
            for (int shift = 0; shift <= a; shift += 3) { // inversions of the lowest `after`
                for (int i = 0; i < a; i++)
                    before[i] = i;
                for (int i = 0; i < b; i++)
                    after[i] = i == 0 ? a - shift - 0.5 : a + i;
                const double expected = gb_rank_sum(before, a, after, b).high;
                const double p = gb_rank_sum_pairs_p(a, b, a * b - shift);
                const bool exact = shift <= a * b / 2;
                assert_true(!exact || fabs(p - expected) <= 1e-12);
            }
        }
}

GB_TEST(p_values_of_large_samples) {
    // One order of C(60, 6); with at most one inversion two, with at most two four.
    const double orders = 50063860;
    assert_true(fabs(gb_rank_sum_pairs_p(6, 54, 324) * orders - 1) < 1e-9);
    assert_true(fabs(gb_rank_sum_pairs_p(54, 6, 323) * orders - 2) < 1e-9);
    assert_true(fabs(gb_rank_sum_pairs_p(6, 54, 322) * orders - 4) < 1e-9);
    assert_true(fabs(gb_rank_sum_pairs_p(6, 54, 322.5) * orders - 4) < 1e-9); // a tie
    // Near the normal approximation, which is used beyond 100 values, at 3 deviations.
    for (int count = 60; count <= 140; count += 20) {
        const double pairs = (double)count * count;
        const double ordered = pairs / 2 + 3 * sqrt(pairs * (2 * count + 1) / 12);
        const double p = gb_rank_sum_pairs_p(count, count, floor(ordered));
        assert_true(p > 0.9 * 0.00135 && p < 1.15 * 0.00135);
    }
    assert_true(gb_rank_sum_pairs_p(0, 5, 0) == 1);
}

// ---- A machine that benchmarks commits

// Noise of 1 % in each launch, part of which the launches of a commit share (as the layout of a
// build's code); a machine whose speed drifts by 0.4 % from commit to commit; other load that slows
// single launches, and all launches of one to three commits in a row, of which the control feels
// between 30 and 100 %.
struct machine {
    int launches;
    double bursts;  // the chance that one begins at a commit
    double control; // the lowest share of other load that the control feels
    struct gb_random_key key;
    uint32_t used;
};

static double uniform(struct machine *m) {
    return gb_random_uniform(&m->key, m->used++);
}

static double normal(struct machine *m, double deviation) {
    return deviation * gb_random_normal(&m->key, m->used++);
}

struct sweep {
    struct gb_row list[COMMITS * 3 * (MAX_ROWS + 1)];
    struct gb_rows rows;
    json_t *machine, *builds[COMMITS];
};

static void add_row(struct sweep *sweep, int number, int commit, int launch, double log_seconds) {
    struct gb_row *row = &sweep->list[sweep->rows.count++];
    *row = (struct gb_row){.threads = 1, .launch = launch, .machine = sweep->machine};
    row->build = sweep->builds[commit];
    row->median_seconds = exp(log_seconds);
    const char *operation = number < 0 ? "control" : "conv";
    strcpy(row->operation, operation);
    strcpy(row->direction, "forward");
    strcpy(row->backend, number < 0 ? "none" : "avx2");
    snprintf(row->problem, sizeof row->problem, "%s/forward/%02d", operation, number);
    snprintf(row->finished, sizeof row->finished, "2024-05-01T12:%02d:00Z", commit);
}

// Row 0 is slower by `factor` from commit `shift` on.
static void benchmark(struct machine *m, struct sweep *sweep, int rows, int shift, double factor) {
    double drift = 0, burst_share = 0;
    int burst = 0;
    sweep->rows = (struct gb_rows){sweep->list, 0};
    for (int commit = 0; commit < COMMITS; commit++) {
        double layout[MAX_ROWS];
        drift += normal(m, 0.004);
        for (int row = 0; row < rows; row++)
            layout[row] = normal(m, 0.006);
        if (burst == 0 && uniform(m) < m->bursts) {
            burst = 1 + (int)(3 * uniform(m));
            burst_share = m->control + (1 - m->control) * uniform(m);
        }
        for (int launch = 0; launch < m->launches; launch++) {
            double load = 0, share = burst_share;
            if (burst > 0 && uniform(m) < 0.8) {
                load = 0.05 + 0.15 * uniform(m);
            } else if (uniform(m) < 0.05) {
                load = 0.05 + 0.1 * uniform(m);
                share = m->control + (1 - m->control) * uniform(m);
            }
            for (int row = 0; row < rows; row++)
                add_row(sweep, row, commit, launch,
                        drift + load + layout[row] + normal(m, 0.008) +
                            (row == 0 && commit >= shift ? log(factor) : 0));
            add_row(sweep, -1, commit, launch, drift + share * load + normal(m, 0.003));
        }
        burst -= burst > 0;
    }
}

static void begin(struct sweep *sweep) {
    sweep->machine = json_pack("{s:{s:s}}", "cpu", "model", "A");
    for (int i = 0; i < COMMITS; i++) {
        char name[32];
        snprintf(name, sizeof name, "%07d", i);
        sweep->builds[i] = json_pack("{s:s}", "commit", name);
    }
}

static void end(struct sweep *sweep) {
    json_decref(sweep->machine);
    for (int i = 0; i < COMMITS; i++)
        json_decref(sweep->builds[i]);
}

static struct sweep sweep;
static const struct gb_history_order by_time = {.by_time = true};

struct outcome {
    int changes;
    bool found, near; // row 0 within six commits; the commit is right or a neighbour
};

static struct outcome run(struct machine *m, int rows, int shift, double factor) {
    struct outcome outcome = {0};
    struct gb_history h;
    benchmark(m, &sweep, rows, shift, factor);
    assert_ok(gb_history_make(&sweep.rows, NULL, &by_time, &h));
    outcome.changes = h.changes.count;
    for (int i = 0; i < h.changes.count; i++) {
        const struct gb_level_change *change = &h.changes.list[i];
        if (change->row != 0 || change->change != (factor > 1 ? GB_SLOWER : GB_FASTER) ||
            change->found < shift || change->found > shift + 5)
            continue;
        outcome.found = true;
        outcome.near |= abs(change->commit - shift) <= 1;
    }
    gb_history_free(&h);
    return outcome;
}

// GB_HISTORY_TRIALS and GB_HISTORY_SEED repeat the simulation with other numbers.
static int number_of(const char *variable, int otherwise) {
    const char *text = getenv(variable);
    return text ? atoi(text) : otherwise;
}

struct totals {
    int trials, alarms, found, near;
};

static struct totals simulate(int launches, double bursts, double control, int rows, double factor,
                              int trials) {
    struct totals totals = {.trials = number_of("GB_HISTORY_TRIALS", trials)};
    begin(&sweep);
    for (int trial = 0; trial < totals.trials; trial++) {
        struct machine m = {launches,
                            bursts,
                            control,
                            {.seed = (uint64_t)(number_of("GB_HISTORY_SEED", 1) + trial),
                             .purpose = GB_RANDOM_TEST},
                            0};
        totals.alarms += run(&m, rows, COMMITS, 1).changes > 0;
        // Anywhere with a history of 30 commits before it and six after.
        const int shift = 30 + (int)(25 * uniform(&m));
        const struct outcome outcome = run(&m, rows, shift, factor);
        totals.found += outcome.found;
        totals.near += outcome.near;
    }
    end(&sweep);
    print_message("%d launches, bursts at %.1f %% of commits, %d rows, factor %.3g, of %d: false "
                  "alarms %d, found %d, at the commit or next to it %d\n",
                  launches, 100 * bursts, rows, factor, totals.trials, totals.alarms, totals.found,
                  totals.near);
    return totals;
}

// At every commit of a series something may be found, and what is found stays: an alarm anywhere in
// the series counts.
GB_TEST(slowdowns_are_found_and_noise_is_not) {
    const struct totals t = simulate(3, 1.0 / 60, 0.3, 1, 1.03, 300);
    assert_true(t.alarms * 100 <= t.trials);
    assert_true(t.found * 100 >= 95 * t.trials);
    assert_true(t.near * 100 >= 90 * t.trials);
}

GB_TEST(speedups_are_found) {
    const struct totals t = simulate(3, 1.0 / 60, 0.3, 1, 1 / 1.03, 100);
    assert_true(t.alarms * 100 <= t.trials);
    assert_true(t.found * 100 >= 85 * t.trials); // a burst among the six hides it for longer
}

// The rate holds for all rows together.
GB_TEST(many_rows_share_the_false_alarms) {
    const struct totals t = simulate(3, 1.0 / 60, 0.3, MAX_ROWS, 1.05, 50);
    assert_true(t.alarms <= 1 + t.trials / 50);
    assert_true(t.found * 100 >= 90 * t.trials);
}

// ---- Single series

static double values[2 * COMMITS];

static struct gb_level_changes find(int rows, int commits) {
    struct gb_level_changes changes;
    assert_ok(gb_level_changes_find(values, rows, commits, &changes));
    return changes;
}

// Noise of 1 % without any randomness: the golden ratio's multiples.
static double noise(int i) {
    const double share = 0.6180339887498949 * (i + 1);
    return 0.03 * (share - floor(share) - 0.5);
}

static void fill(int from, int to, double level) {
    for (int i = from; i < to; i++)
        values[i] = level + noise(i);
}

GB_TEST(each_change_is_one_alert_in_both_directions) {
    fill(0, 25, 0);
    fill(25, 45, 0.05);
    fill(45, COMMITS, 0);
    struct gb_level_changes changes = find(1, COMMITS);
    assert_int_equal(changes.count, 2);
    const struct gb_level_change *up = &changes.list[0], *down = &changes.list[1];
    assert_int_equal(up->change, GB_SLOWER);
    assert_int_equal(up->commit, 25);
    assert_in_range(up->found, 29, 31);
    assert_true(up->low < exp(0.05) && exp(0.05) < up->high);
    assert_true(up->recovered);
    assert_int_equal(down->change, GB_FASTER);
    assert_int_equal(down->commit, 45);
    assert_false(down->recovered);
    gb_level_changes_free(&changes);
}

// What was found stays found, at the same commit, whatever follows.
GB_TEST(later_commits_change_nothing) {
    fill(0, 30, 0);
    fill(30, COMMITS, 0.04);
    int found = -1;
    for (int commits = 30; commits <= COMMITS; commits++) {
        struct gb_level_changes changes = find(1, commits);
        if (changes.count > 0 && found < 0)
            found = changes.list[0].found;
        assert_int_equal(changes.count, found >= 0);
        assert_true(found < 0 || changes.list[0].found == found);
        assert_true(found < 0 || changes.list[0].commit == 30);
        gb_level_changes_free(&changes);
    }
    assert_in_range(found, 34, 35);
}

GB_TEST(a_spike_is_no_change) {
    for (int length = 1; length <= 3; length++)
        for (int at = 0; at + length <= COMMITS; at++) {
            fill(0, COMMITS, 0);
            fill(at, at + length, 0.2);
            struct gb_level_changes changes = find(1, COMMITS);
            assert_int_equal(changes.count, 0);
            gb_level_changes_free(&changes);
        }
}

GB_TEST(small_shifts_are_left_to_the_layout_of_code) {
    fill(0, 30, 0);
    fill(30, COMMITS, 0.012);
    struct gb_level_changes changes = find(1, COMMITS);
    assert_int_equal(changes.count, 0);
    gb_level_changes_free(&changes);
}

GB_TEST(missing_values_and_equal_ones) {
    fill(0, COMMITS, 0);
    for (int i = 0; i < COMMITS; i++) {
        values[i] = i % 2 ? NAN : 0.0;
        values[COMMITS + i] = i < 45 ? NAN : 0.04; // a row that is new
    }
    struct gb_level_changes changes = find(2, COMMITS);
    assert_int_equal(changes.count, 0);
    assert_int_equal(changes.undecidable, 1);
    assert_in_range(changes.needed, 19, 22);
    gb_level_changes_free(&changes);
    for (int i = 30; i < COMMITS; i++)
        values[i] += 0.04;
    changes = find(2, COMMITS);
    assert_int_equal(changes.count, 1);
    assert_int_equal(changes.list[0].commit, 30);
    gb_level_changes_free(&changes);
}

// With as many commits as are needed a change of any size is found, with one fewer none.
GB_TEST(commits_needed) {
    for (int commits = 10; commits < 30; commits++) {
        for (int i = 0; i < commits; i++)
            values[i] = (i >= commits / 2) + noise(i);
        struct gb_level_changes changes = find(1, commits);
        assert_int_equal(changes.count, changes.undecidable == 0);
        assert_int_equal(changes.undecidable, commits < changes.needed);
        gb_level_changes_free(&changes);
    }
}
