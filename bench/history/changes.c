// SPDX-License-Identifier: MIT
#include "bench/history/changes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/minmax.h"
#include "base/quantile.h"

static const char what[] = "cannot search for changes";

// The values of a row up to the present commit, without spikes.
struct track {
    double *values;
    int *commits;     // of each value
    int count, start; // values; the first of the present stretch
    // Of each split of the stretch: twice the pairs of a value before and a higher one after.
    int *pairs;
    int split[2]; // the best one upwards and downwards
};

// ---- Splits ----

// Twice the pairs of values[from .. to) and `value` in which the latter is higher.
static int pairs_below(const struct track *track, int from, int to, double value) {
    int pairs = 0;
    for (int i = from; i < to; i++)
        pairs += (track->values[i] < value) + (track->values[i] <= value);
    return pairs;
}

static void count_pairs(struct track *track, int from, int to, int *pairs) {
    memset(pairs + from, 0, (size_t)(to - from) * sizeof *pairs);
    for (int end = from + 1; end < to; end++)
        for (int split = from + 1, below = 0; split <= end; split++) {
            below += pairs_below(track, split - 1, split, track->values[end]);
            pairs[split] += below;
        }
}

// The p-value of a shift upwards (or downwards) at a split of values[from .. to); 1 where it cannot
// be significant.
static double chance_of(const int *pairs, int from, int split, int to, bool down) {
    const double before = split - from, after = to - split, all = before * after;
    const double ordered = down ? all - 0.5 * pairs[split] : 0.5 * pairs[split];
    const double deviation = sqrt(all * (before + after + 1) / 12);
    if (ordered - all / 2 < 2.5 * deviation) // most are, and the exact value takes time
        return 1;
    return gb_rank_sum_pairs_p((int)before, (int)after, ordered);
}

// The smallest p-value of the splits, and its split.
static double best_split(const int *pairs, int from, int to, bool down, int *best) {
    double min = 1;
    *best = from;
    for (int split = from + GB_MIN_STRETCH; split <= to - GB_MIN_STRETCH; split++) {
        const double chance = chance_of(pairs, from, split, to, down);
        if (chance < min) {
            min = chance;
            *best = split;
        }
    }
    return min;
}

// ---- Spikes ----

enum { RECENT = 60 };
enum { SPIKE_SIDE = 6 }; // neighbours on each side, of which up to three may be spikes as well
enum { SPIKE_DEVIATIONS = 3 };

static double median_of(const double *values, int count) {
    double sorted[RECENT];
    memcpy(sorted, values, (size_t)count * sizeof *sorted);
    return gb_quantile(sorted, count, 0.5);
}

// The deviation of the noise from the differences of neighbours, on which shifts have no influence.
static double deviation_of(const struct track *track) {
    double differences[RECENT];
    int count = 0;
    for (int i = gb_max_int(1, track->count - RECENT); i < track->count; i++)
        differences[count++] = fabs(track->values[i] - track->values[i - 1]);
    return gb_quantile(differences, count, 0.5) / (0.6745 * M_SQRT2);
}

static void remove_value(struct track *track, int at) {
    const size_t rest = (size_t)(track->count - at - 1);
    memmove(track->values + at, track->values + at + 1, rest * sizeof *track->values);
    memmove(track->commits + at, track->commits + at + 1, rest * sizeof *track->commits);
    track->count--;
    track->start -= at < track->start;
    count_pairs(track, track->start, track->count, track->pairs);
}

// Removes the value that has just got its last neighbour if it is a spike. The first ones, which
// lack some on the left, are compared with all of the first.
static void remove_spikes(struct track *track) {
    enum { FIRST = 2 * SPIKE_SIDE + 1 };
    const double limit = SPIKE_DEVIATIONS * deviation_of(track);
    const int at = track->count - 1 - SPIKE_SIDE;
    if (at < SPIKE_SIDE)
        return;
    const double *value = track->values + at;
    const double before = *value - median_of(value - SPIKE_SIDE, SPIKE_SIDE);
    const double after = *value - median_of(value + 1, SPIKE_SIDE);
    if (before * after > 0 && fmin(fabs(before), fabs(after)) > limit)
        remove_value(track, at);
    if (track->count != FIRST)
        return;
    const double middle = median_of(track->values, track->count);
    for (int i = SPIKE_SIDE - 1; i >= 0; i--)
        if (fabs(track->values[i] - middle) > limit)
            remove_value(track, i);
}

// ---- One commit after another ----

static void add_value(struct track *track, int commit, double value) {
    int below = 0;
    for (int split = track->start + 1; split <= track->count; split++) {
        below += pairs_below(track, split - 1, split, value);
        track->pairs[split] = (split < track->count ? track->pairs[split] : 0) + below;
    }
    track->values[track->count] = value;
    track->commits[track->count++] = commit;
    remove_spikes(track);
}

static struct gb_interval shift_at(const struct track *track, int from, int split, int to) {
    enum { NEAREST = 40 }; // values on each side
    const int before = gb_min_int(split - from, NEAREST), after = gb_min_int(to - split, NEAREST);
    return gb_rank_sum_interval(track->values + split - before, before, track->values + split,
                                after, GB_CONFIDENCE);
}

static enum gb_status add_change(struct gb_level_changes *changes,
                                 const struct gb_level_change *change) {
    struct gb_level_change *list = gb_grow(changes->list, (size_t)changes->count, sizeof *list);
    if (!list)
        return gb_no_memory(what, "changes");
    changes->list = list;
    list[changes->count++] = *change;
    return GB_OK;
}

struct scratch {
    struct track *tracks;
    int *active; // rows that have a value at the commit
    double *chances[2];
    bool *found[2];
    double *values;
    int *commits, *pairs;
};

static enum gb_status take_commit(const struct scratch *s, int active, int commit,
                                  struct gb_level_changes *changes) {
    for (int down = 0; down < 2; down++) {
        for (int i = 0; i < active; i++) {
            struct track *track = &s->tracks[s->active[i]];
            s->chances[down][i] =
                best_split(track->pairs, track->start, track->count, down, &track->split[down]);
        }
        gb_benjamini_hochberg(s->chances[down], active, GB_CHANGE_LEVEL, s->found[down]);
    }
    for (int i = 0; i < active; i++) {
        struct track *track = &s->tracks[s->active[i]];
        const bool down = s->chances[1][i] < s->chances[0][i];
        if (!s->found[down][i])
            continue;
        const int split = track->split[down];
        const double shift = shift_at(track, track->start, split, track->count).estimate;
        if (fabs(shift) < log(GB_MIN_SHIFT))
            continue;
        GB_TRY(
            add_change(changes, &(struct gb_level_change){.row = s->active[i],
                                                          .commit = track->commits[split],
                                                          .found = commit,
                                                          .change = down ? GB_FASTER : GB_SLOWER}));
        track->start = split;
        count_pairs(track, track->start, track->count, track->pairs);
    }
    return GB_OK;
}

// ---- What all commits say about each change ----

static int index_of(const struct track *track, int commit) {
    int i = 0;
    while (i < track->count && track->commits[i] < commit)
        i++;
    return i;
}

static void describe(struct track *track, int from, int to, struct gb_level_change *change) {
    const bool down = change->change == GB_FASTER;
    int split;
    count_pairs(track, from, to, track->pairs);
    change->chance = best_split(track->pairs, from, to, down, &split);
    if (split == from) // no longer significant at any split: as it was found
        split = index_of(track, change->commit);
    int first = split, last = split;
    while (first > from + 1 &&
           chance_of(track->pairs, from, first - 1, to, down) <= 100 * change->chance)
        first--;
    while (last < to - 1 &&
           chance_of(track->pairs, from, last + 1, to, down) <= 100 * change->chance)
        last++;
    const struct gb_interval shift = shift_at(track, from, split, to);
    change->commit = track->commits[split];
    change->earliest = track->commits[first];
    change->latest = track->commits[last];
    change->ratio = exp(shift.estimate);
    change->low = exp(shift.low);
    change->high = exp(shift.high);
}

// The median, of the last values.
static double level_of(const struct track *track, int from, int to) {
    from = gb_max_int(from, to - RECENT);
    return median_of(track->values + from, to - from);
}

// The changes of one row.
static void describe_all(struct track *track, struct gb_level_change *list, int count) {
    for (int i = 0, from = 0; i < count; i++) {
        const int to = i + 1 < count ? index_of(track, list[i + 1].commit) : track->count;
        describe(track, from, to, &list[i]);
        from = index_of(track, list[i].commit);
    }
    if (count == 0)
        return;
    const double last = level_of(track, index_of(track, list[count - 1].commit), track->count);
    for (int i = 0, from = 0; i < count; i++) {
        const int at = index_of(track, list[i].commit);
        list[i].recovered = list[i].change == GB_SLOWER && i < count - 1 &&
                            last < level_of(track, from, at) + log(GB_MIN_SHIFT);
        from = at;
    }
}

static int by_row(const void *left, const void *right) {
    const struct gb_level_change *a = left, *b = right;
    return a->row != b->row ? a->row - b->row : a->commit - b->commit;
}

static void describe_rows(const struct scratch *s, int rows, struct gb_level_changes *changes) {
    if (changes->count)
        qsort(changes->list, (size_t)changes->count, sizeof *changes->list, by_row);
    for (int i = 0, end; i < changes->count; i = end) {
        const int row = changes->list[i].row;
        for (end = i; end < changes->count && changes->list[end].row == row; end++)
            ;
        describe_all(&s->tracks[row], changes->list + i, end - i);
    }
    while (changes->needed < 2 * GB_MIN_STRETCH ||
           gb_rank_sum_pairs_p(changes->needed / 2, (changes->needed + 1) / 2,
                               (double)(changes->needed / 2) * ((changes->needed + 1) / 2)) >
               GB_CHANGE_LEVEL / rows)
        changes->needed++;
    for (int row = 0; row < rows; row++)
        changes->undecidable += s->tracks[row].count < changes->needed;
}

static enum gb_status find(const struct scratch *s, const double *values, int rows, int commits,
                           struct gb_level_changes *changes) {
    for (int commit = 0; commit < commits; commit++) {
        int active = 0;
        for (int row = 0; row < rows; row++) {
            const double value = values[(size_t)row * (size_t)commits + (size_t)commit];
            if (isnan(value))
                continue;
            add_value(&s->tracks[row], commit, value);
            s->active[active++] = row;
        }
        GB_TRY(take_commit(s, active, commit, changes));
    }
    describe_rows(s, rows, changes);
    return GB_OK;
}

enum gb_status gb_level_changes_find(const double *values, int rows, int commits,
                                     struct gb_level_changes *changes) {
    *changes = (struct gb_level_changes){0};
    const size_t count = (size_t)rows, all = count * (size_t)commits;
    struct scratch s = {
        .tracks = calloc(count, sizeof *s.tracks),
        .active = calloc(count, sizeof *s.active),
        .chances = {calloc(count, sizeof(double)), calloc(count, sizeof(double))},
        .found = {calloc(count, sizeof(bool)), calloc(count, sizeof(bool))},
        .values = calloc(all, sizeof *s.values),
        .commits = calloc(all, sizeof *s.commits),
        .pairs = calloc(all, sizeof *s.pairs),
    };
    enum gb_status status = GB_OK;
    if (!s.tracks || !s.active || !s.chances[0] || !s.chances[1] || !s.found[0] || !s.found[1] ||
        !s.values || !s.commits || !s.pairs)
        status = gb_no_memory(what, "rows");
    for (size_t row = 0; row < count && status == GB_OK; row++)
        s.tracks[row] = (struct track){.values = s.values + row * (size_t)commits,
                                       .commits = s.commits + row * (size_t)commits,
                                       .pairs = s.pairs + row * (size_t)commits};
    if (status == GB_OK)
        status = find(&s, values, rows, commits, changes);
    if (status != GB_OK)
        gb_level_changes_free(changes);
    free(s.tracks);
    free(s.active);
    for (int i = 0; i < 2; i++) {
        free(s.chances[i]);
        free(s.found[i]);
    }
    free(s.values);
    free(s.commits);
    free(s.pairs);
    return status;
}

void gb_level_changes_free(struct gb_level_changes *changes) {
    free(changes->list);
    *changes = (struct gb_level_changes){0};
}
