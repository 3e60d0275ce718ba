// SPDX-License-Identifier: MIT
#include "tasks/metrics/precision_recall.h"

#include <stdlib.h>

#include "tasks/metrics/metrics.h"

struct gb_pr_point gb_pr_point_of(const struct gb_detections *counts) {
    uint64_t right = counts->right, wrong = counts->wrong, missed = counts->missed;
    return (struct gb_pr_point){.precision = gb_count_share(right, right + wrong),
                                .recall = gb_count_share(right, right + missed),
                                .f_score = gb_count_share(2 * right, 2 * right + wrong + missed)};
}

static bool is_inside(const struct gb_tensor *mask, const int at[4]) {
    return !mask || *gb_element(mask, at) >= 0.5f;
}

void gb_detections_add(struct gb_detections *counts, const struct gb_tensor *truth,
                       const struct gb_tensor *answer, const struct gb_tensor *mask) {
    assert(gb_same_shape(truth, answer) && truth->c == 1);
    assert(!mask || gb_same_shape(truth, mask));
    uint64_t pixels[2][2] = {{0}}; // by truth, by answer
    GB_EACH_ELEMENT(truth, at)
        if (is_inside(mask, at))
            pixels[*gb_element(truth, at) >= 0.5f][*gb_element(answer, at) >= 0.5f]++;
    counts->right += pixels[1][1];
    counts->wrong += pixels[0][1];
    counts->missed += pixels[1][0];
}

enum gb_status gb_soft_counts_create(struct gb_soft_counts *counts, int levels) {
    assert(levels >= 2);
    *counts = (struct gb_soft_counts){.levels = levels,
                                      .ones = calloc((size_t)levels, sizeof *counts->ones),
                                      .zeros = calloc((size_t)levels, sizeof *counts->zeros)};
    if (counts->ones && counts->zeros)
        return GB_OK;
    gb_soft_counts_free(counts);
    return gb_no_memory("cannot score", "precision and recall");
}

void gb_soft_counts_free(struct gb_soft_counts *counts) {
    free(counts->ones);
    free(counts->zeros);
    *counts = (struct gb_soft_counts){0};
}

void gb_soft_counts_add(struct gb_soft_counts *counts, const struct gb_tensor *truth,
                        const struct gb_tensor *soft, const struct gb_tensor *mask) {
    assert(gb_same_shape(truth, soft) && truth->c == 1);
    assert(!mask || gb_same_shape(truth, mask));
    const double top = counts->levels - 1;
    GB_EACH_ELEMENT(truth, at) {
        if (!is_inside(mask, at))
            continue;
        const double level = *gb_element(soft, at) * top + 0.5;
        const size_t place = (size_t)(level < 0 ? 0 : level > top ? top : level);
        (*gb_element(truth, at) >= 0.5f ? counts->ones : counts->zeros)[place]++;
    }
}

void gb_pr_curve(const struct gb_soft_counts *counts, struct gb_pr_point *points) {
    struct gb_detections above = {0};
    for (int level = 0; level < counts->levels; level++)
        above.missed += counts->ones[level];
    for (int level = counts->levels - 1; level >= 1; level--) {
        above.right += counts->ones[level];
        above.wrong += counts->zeros[level];
        above.missed -= counts->ones[level];
        points[level - 1] = gb_pr_point_of(&above);
    }
}

int gb_pr_best(const struct gb_pr_point *points, int count) {
    int best = 0;
    for (int i = 1; i < count; i++)
        if (points[i].f_score > points[best].f_score)
            best = i;
    return best;
}
