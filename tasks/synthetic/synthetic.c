// SPDX-License-Identifier: MIT
#include "tasks/synthetic/synthetic.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

struct drawing {
    struct gb_synthetic synthetic;
    uint64_t seed;
    uint32_t first;
};

static enum gb_status draw(const struct gb_dataset *set, int index, const struct gb_random_key *key,
                           const struct gb_example *example) {
    (void)key;
    const struct drawing *drawing = set->source;
    drawing->synthetic.draw(drawing->seed, drawing->first + (uint32_t)index, example);
    return GB_OK;
}

static enum gb_status draw_split(const struct drawing *drawing, int count, int threads,
                                 struct gb_dataset *set) {
    GB_TRY(gb_dataset_create(set, count, &drawing->synthetic.shape));
    struct drawing *source = malloc(sizeof *source);
    if (!source)
        return gb_no_memory("cannot generate data", drawing->synthetic.name);
    *source = *drawing;
    set->source = source;
    set->fill = draw;
    set->free_source = free;
    for (int i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "synthetic%07u", drawing->first + (unsigned)i);
        GB_TRY(gb_dataset_name(set, i, name));
    }
    return gb_dataset_keep(set, threads);
}

enum gb_status gb_synthetic_load(const struct gb_synthetic *synthetic, uint64_t seed, int threads,
                                 struct gb_dataset splits[]) {
    const uint32_t first[GB_SPLITS] = {0, GB_SYNTHETIC_TEST_FIRST};
    enum gb_status status = GB_OK;
    gb_splits_clear(splits);
    for (int split = 0; status == GB_OK && split < GB_SPLITS; split++) {
        assert(synthetic->counts[split] >= 1 &&
               synthetic->counts[split] <= GB_SYNTHETIC_TEST_FIRST);
        const struct drawing drawing = {*synthetic, seed, first[split]};
        status = draw_split(&drawing, synthetic->counts[split], threads, &splits[split]);
    }
    return gb_splits_keep(splits, status);
}
