// SPDX-License-Identifier: MIT
#include "bench/compare/comparison.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char what[] = "cannot compare";
static const char *const side_names[GB_SIDES] = {"BASE", "NEW"};

// ---- Joining ----

struct entry {
    const struct gb_row *row;
    enum gb_side side;
};

static int by_key_side_launch(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    int order = gb_row_order(a->row, b->row);
    if (order == 0)
        order = (int)a->side - (int)b->side;
    return order ? order : a->row->launch - b->row->launch;
}

// The entries of one key, which are neighbours.
struct group {
    size_t count;
    int timed[GB_SIDES];                  // launches without an error
    const struct gb_row *error[GB_SIDES]; // the first row with one
    double times[GB_SIDES][GB_SAMPLE_MAX];
};

static enum gb_status take_group(const struct entry *entries, size_t available,
                                 struct group *group) {
    *group = (struct group){0};
    for (int i = 0; i < GB_SAMPLE_MAX; i++)
        group->times[GB_BASE][i] = group->times[GB_NEW][i] = NAN;
    for (size_t i = 0, end; i < available && gb_row_order(entries[i].row, entries[0].row) == 0;
         i = end) {
        const struct gb_row *row = entries[i].row;
        const enum gb_side side = entries[i].side;
        bool fails = false;
        double sum = 0;
        for (end = i; end < available && by_key_side_launch(&entries[end], &entries[i]) == 0;
             end++) {
            const struct gb_row *each = entries[end].row;
            fails |= each->error != NULL;
            sum += log(each->median_seconds);
            if (each->error && !group->error[side])
                group->error[side] = each;
        }
        if (end - i > 1 && !gb_row_is_control(row))
            return gb_fail(GB_BAD_INPUT, what, row->problem, "launch %d of %s has it twice",
                           row->launch, side_names[side]);
        if (!fails) {
            group->times[side][row->launch] = sum / (double)(end - i);
            group->timed[side]++;
        }
        group->count = end;
    }
    return GB_OK;
}

static void leave_out(struct gb_comparison *c, const struct gb_row *row,
                      enum gb_unjoined_reason reason) {
    c->unjoined[c->unjoined_count++] = (struct gb_unjoined){row, reason};
    c->failures += reason == GB_FAILS_IN_NEW;
    c->missing += reason == GB_ONLY_IN_BASE && !gb_row_is_control(row);
}

static void join_group(struct gb_comparison *c, const struct gb_row *row,
                       const struct group *group) {
    const bool base_fails = group->error[GB_BASE] && group->timed[GB_BASE] == 0;
    if (group->error[GB_BASE])
        leave_out(c, group->error[GB_BASE], base_fails ? GB_FAILS_IN_BASE : GB_FAILS_IN_PART);
    if (base_fails)
        return;
    if (group->error[GB_NEW]) {
        leave_out(c, group->error[GB_NEW], GB_FAILS_IN_NEW);
    } else if (group->timed[GB_NEW] == 0) {
        leave_out(c, row, GB_ONLY_IN_BASE);
    } else if (group->timed[GB_BASE] == 0) {
        leave_out(c, row, GB_ONLY_IN_NEW);
    } else {
        struct gb_compared *compared =
            gb_row_is_control(row) ? &c->controls[c->control_count++] : &c->rows[c->row_count++];
        *compared = (struct gb_compared){.row = row, .rows = 1};
        memcpy(compared->times, group->times, sizeof compared->times);
    }
}

static enum gb_status join(struct gb_comparison *c, const struct gb_rows rows[GB_SIDES],
                           struct entry *entries) {
    size_t count = 0;
    for (enum gb_side side = GB_BASE; side < GB_SIDES; side++)
        for (size_t i = 0; i < rows[side].count; i++)
            entries[count++] = (struct entry){&rows[side].list[i], side};
    qsort(entries, count, sizeof *entries, by_key_side_launch);
    struct group group;
    for (size_t i = 0; i < count; i += group.count) {
        GB_TRY(take_group(entries + i, count - i, &group));
        join_group(c, entries[i].row, &group);
    }
    return GB_OK;
}

static enum gb_status count_launches(struct gb_comparison *c, enum gb_side side,
                                     const struct gb_rows *rows) {
    bool seen[GB_SAMPLE_MAX] = {0};
    for (size_t i = 0; i < rows->count; i++) {
        int launch = rows->list[i].launch;
        if (launch >= GB_SAMPLE_MAX)
            return gb_fail(GB_BAD_INPUT, what, side_names[side],
                           "launch %d: at most %d launches are compared", launch, GB_SAMPLE_MAX);
        c->launches[side] += !seen[launch];
        seen[launch] = true;
    }
    return GB_OK;
}

// ---- Operations ----

static int collect(const double *values, double *finite) {
    int count = 0;
    for (int i = 0; i < GB_SAMPLE_MAX; i++)
        if (isfinite(values[i]))
            finite[count++] = values[i];
    return count;
}

static bool is_complete(const struct gb_comparison *c, const struct gb_compared *row) {
    double finite[GB_SAMPLE_MAX];
    return collect(row->times[GB_BASE], finite) == c->launches[GB_BASE] &&
           collect(row->times[GB_NEW], finite) == c->launches[GB_NEW];
}

static void add_to_operation(struct gb_comparison *c, const struct gb_compared *row) {
    const struct gb_row *a = row->row;
    struct gb_compared *mean = c->operations, *end = mean + c->operation_count;
    for (; mean < end; mean++)
        if (strcmp(mean->row->operation, a->operation) == 0 &&
            strcmp(mean->row->direction, a->direction) == 0 &&
            strcmp(mean->row->backend, a->backend) == 0 && mean->row->threads == a->threads)
            break;
    if (mean == end) {
        *mean = *row;
        c->operation_count++;
        return;
    }
    mean->rows++;
    for (enum gb_side side = GB_BASE; side < GB_SIDES; side++)
        for (int i = 0; i < GB_SAMPLE_MAX; i++)
            mean->times[side][i] += (row->times[side][i] - mean->times[side][i]) / mean->rows;
}

static enum gb_status allocate(struct gb_comparison *c, size_t rows) {
    c->rows = calloc(3 * rows, sizeof *c->rows);
    c->unjoined = calloc(rows, sizeof *c->unjoined);
    c->chances = calloc(rows, sizeof *c->chances);
    c->found = calloc(rows, sizeof *c->found);
    if (!c->rows || !c->unjoined || !c->chances || !c->found)
        return gb_no_memory(what, "rows");
    c->operations = c->rows + rows;
    c->controls = c->operations + rows;
    return GB_OK;
}

enum gb_status gb_comparison_make(const struct gb_rows rows[GB_SIDES], struct gb_comparison *c) {
    *c = (struct gb_comparison){0};
    GB_TRY(count_launches(c, GB_BASE, &rows[GB_BASE]));
    GB_TRY(count_launches(c, GB_NEW, &rows[GB_NEW]));
    size_t count = rows[GB_BASE].count + rows[GB_NEW].count;
    GB_TRY(allocate(c, count));
    struct entry *entries = calloc(count, sizeof *entries);
    if (!entries)
        return gb_no_memory(what, "rows");
    enum gb_status status = join(c, rows, entries);
    free(entries);
    GB_TRY(status);
    if (c->row_count == 0 && c->failures == 0)
        return gb_fail(GB_BAD_INPUT, what, "rows", "no benchmark has a time in both");
    // Only rows that all launches have: a launch without some of them would have another mean.
    for (int i = 0; i < c->row_count; i++)
        if (is_complete(c, &c->rows[i]))
            add_to_operation(c, &c->rows[i]);
    return GB_OK;
}

void gb_comparison_free(struct gb_comparison *c) {
    free(c->rows); // and the operations and controls
    free(c->unjoined);
    free(c->chances);
    free(c->found);
    *c = (struct gb_comparison){0};
}

// ---- Testing ----

// Both tests return the shift, and in *min_p the smallest p-value possible with that many launches.
static struct gb_interval test_pairs(struct gb_compared *c, const struct gb_rule *rule,
                                     double *min_p) {
    double differences[GB_SAMPLE_MAX], ratios[GB_SAMPLE_MAX]; // of the launches of both sides
    for (int i = 0; i < GB_SAMPLE_MAX; i++)
        differences[i] = c->times[GB_NEW][i] - c->times[GB_BASE][i];
    const int count = gb_layout_values(differences, GB_SAMPLE_MAX, rule->layouts, ratios);
    c->noise = gb_layout_noise(differences, GB_SAMPLE_MAX, rule->layouts);
    *min_p = gb_signed_rank_min_p(count);
    if (count == 0)
        return (struct gb_interval){NAN, -INFINITY, INFINITY};
    c->chance = gb_signed_rank(ratios, count, 0);
    c->non_inferior = gb_signed_rank(ratios, count, log(rule->threshold)).low <= rule->clearing;
    return gb_signed_rank_interval(ratios, count, GB_CONFIDENCE);
}

static struct gb_interval test_sessions(struct gb_compared *c, const struct gb_rule *rule,
                                        double *min_p) {
    double base[GB_SAMPLE_MAX], slowed[GB_SAMPLE_MAX], new[GB_SAMPLE_MAX];
    int base_count = collect(c->times[GB_BASE], base), new_count = collect(c->times[GB_NEW], new);
    for (int i = 0; i < base_count; i++)
        slowed[i] = base[i] + log(rule->threshold);
    *min_p = gb_rank_sum_min_p(base_count, new_count);
    c->chance = gb_rank_sum(base, base_count, new, new_count);
    c->non_inferior = gb_rank_sum(slowed, base_count, new, new_count).low <= rule->clearing;
    return gb_rank_sum_interval(base, base_count, new, new_count, GB_CONFIDENCE);
}

// As one of `tests` tests.
static void test(struct gb_compared *c, int tests, const struct gb_rule *rule) {
    double min_p;
    c->chance = (struct gb_p_values){1, 1};
    c->non_inferior = false;
    c->noise = (struct gb_layout_noise){NAN, NAN};
    struct gb_interval shift =
        rule->pairing == GB_PAIRED ? test_pairs(c, rule, &min_p) : test_sessions(c, rule, &min_p);
    c->ratio = exp(shift.estimate);
    c->low = exp(shift.low);
    c->high = exp(shift.high);
    c->change = GB_UNCHANGED;
    c->undecidable = min_p > rule->level / tests;
}

// A gate in one direction.
static void find(struct gb_comparison *c, struct gb_compared *list, int count,
                 enum gb_change change, const struct gb_rule *rule) {
    for (int i = 0; i < count; i++)
        c->chances[i] = change == GB_SLOWER ? list[i].chance.high : list[i].chance.low;
    gb_benjamini_hochberg(c->chances, count, rule->level, c->found);
    for (int i = 0; i < count; i++) {
        double factor = change == GB_SLOWER ? list[i].ratio : 1 / list[i].ratio;
        if (c->found[i] && factor >= rule->threshold)
            list[i].change = change;
    }
}

static void pass(struct gb_comparison *c, struct gb_compared *list, int count,
                 const struct gb_rule *rule) {
    for (int i = 0; i < count; i++)
        test(&list[i], count, rule);
    find(c, list, count, GB_SLOWER, rule);
    find(c, list, count, GB_FASTER, rule);
}

// ---- The verdict ----

struct totals {
    int slower, open, undecidable;
};

static struct totals total(const struct gb_compared *list, int count) {
    struct totals totals = {0};
    for (int i = 0; i < count; i++) {
        totals.slower += list[i].change == GB_SLOWER;
        totals.open += !list[i].non_inferior;
        totals.undecidable += list[i].undecidable;
    }
    return totals;
}

static int min_launches(int rows, const struct gb_rule *rule) {
    if (rule->pairing == GB_PAIRED)
        return gb_min_pairs(rows, rule->level);
    int launches = 1;
    while (launches < GB_SAMPLE_MAX && gb_rank_sum_min_p(launches, launches) > rule->level / rows)
        launches++;
    return launches;
}

__attribute__((format(printf, 3, 4))) static void
decide(struct gb_comparison *c, enum gb_verdict verdict, const char *format, ...) {
    c->verdict = verdict;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(c->reason, sizeof c->reason, format, arguments);
    va_end(arguments);
}

static bool has_control(const struct gb_comparison *c, int threads) {
    for (int i = 0; i < c->control_count; i++)
        if (c->controls[i].row->threads == threads)
            return true;
    return false;
}

// Whether a missing control or one that has moved rules out a verdict; the reason is then set.
static bool control_forbids(struct gb_comparison *c) {
    for (int i = 0; i < c->row_count; i++) {
        int threads = c->rows[i].row->threads;
        if (has_control(c, threads))
            continue;
        decide(c, GB_INCONCLUSIVE, "the control benchmark with %d thread%s is missing", threads,
               threads == 1 ? "" : "s");
        return true;
    }
    for (int i = 0; i < c->control_count && !c->other_machine; i++) {
        const struct gb_compared *control = &c->controls[i];
        const double p = 2 * fmin(control->chance.high, control->chance.low);
        if (p > GB_FALSE_ALARMS || fabs(log(control->ratio)) <= log(c->rule.threshold) / 2)
            continue;
        decide(c, GB_INCONCLUSIVE,
               "the control benchmark with %d thread%s (identical in both builds) ran %.3fx as "
               "long: the machine changed",
               control->row->threads, control->row->threads == 1 ? "" : "s", control->ratio);
        return true;
    }
    return false;
}

static void judge(struct gb_comparison *c) {
    pass(c, c->operations, c->operation_count, &c->rule);
    pass(c, c->rows, c->row_count, &c->rule);
    for (int i = 0; i < c->control_count; i++)
        test(&c->controls[i], 1, &c->rule);
    const struct totals operations = total(c->operations, c->operation_count);
    const struct totals rows = total(c->rows, c->row_count);
    const double percent = 100 * (c->rule.threshold - 1);
    c->open_operations = operations.open;
    c->open_rows = rows.open;
    if (c->failures > 0)
        decide(c, GB_REGRESSION, "%d benchmark%s failed in NEW, not in BASE", c->failures,
               c->failures == 1 ? "" : "s");
    else if (control_forbids(c))
        return;
    else if (operations.slower > 0 || rows.slower > 0)
        decide(c, GB_REGRESSION,
               "%d of %d operations and %d of %d benchmarks are slower by %.3g %% or more",
               operations.slower, c->operation_count, rows.slower, c->row_count, percent);
    else if (c->missing > 0)
        decide(c, GB_INCONCLUSIVE, "%d benchmark%s of BASE missing in NEW", c->missing,
               c->missing == 1 ? "" : "s");
    else if (rows.undecidable > 0)
        decide(c, GB_INCONCLUSIVE, "need at least %d %s for %d benchmarks; %d have fewer",
               min_launches(c->row_count, &c->rule), c->rule.layouts > 1 ? "layouts" : "launches",
               c->row_count, rows.undecidable);
    else
        decide(c, GB_NO_REGRESSION,
               "no slowdown of %.3g %% or more found in %d operations and %d benchmarks", percent,
               c->operation_count, c->row_count);
}

void gb_comparison_judge(struct gb_comparison *c, double threshold) {
    c->rule = (struct gb_rule){.pairing = GB_UNPAIRED,
                               .threshold = threshold,
                               .level = GB_FALSE_ALARMS / GB_GATES,
                               .clearing = GB_FALSE_ALARMS};
    judge(c);
}

bool gb_comparison_look(struct gb_comparison *c, const struct gb_looks *looks, int look,
                        double threshold) {
    c->rule = (struct gb_rule){.pairing = GB_PAIRED,
                               .threshold = threshold,
                               .level = looks->level,
                               .clearing = looks->level * GB_GATES,
                               .layouts = looks->layouts};
    judge(c);
    bool last = look == looks->count - 1, non_inferior = c->open_operations + c->open_rows == 0;
    double percent = 100 * (threshold - 1);
    if (c->verdict == GB_NO_REGRESSION && non_inferior)
        decide(c, GB_NO_REGRESSION, "all of %d operations and %d benchmarks within %.3g %% of BASE",
               c->operation_count, c->row_count, percent);
    else if (c->verdict == GB_NO_REGRESSION && last)
        decide(c, GB_INCONCLUSIVE,
               "a slowdown of %.3g %% or more is not ruled out in %d of %d operations and %d of %d "
               "benchmarks",
               percent, c->open_operations, c->operation_count, c->open_rows, c->row_count);
    else
        return last || c->verdict == GB_REGRESSION || c->missing > 0;
    return true;
}
