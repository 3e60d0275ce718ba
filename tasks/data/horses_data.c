// SPDX-License-Identifier: MIT
#include "tasks/data/horses_data.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "tasks/data/lists.h"
#include "tasks/data/randomness.h"
#include "tasks/images/image.h"
#include "tasks/images/resize.h"

// The brightest channel of rgb/horse318.jpg is 2, that of the next darkest image 235.
enum { BLACK = 15 };

static const char *const list_names[GB_SPLITS] = {"horses_train.txt", "horses_test.txt"};

struct horses {
    const struct gb_source *source;
    char rgb[GB_PATH];    // the directory of images
    struct gb_list names; // of all images, in byte order
    int count;            // of the images wanted: all, or those of both lists
    int *indices;         // of the images wanted, in `names`
    bool *black;
    struct gb_examples examples;
    int *chosen[GB_SPLITS]; // a split's, by index among the images wanted
    int split_count[GB_SPLITS];
};

static void horses_free(struct horses *horses) {
    gb_list_free(&horses->names);
    free(horses->indices);
    free(horses->black);
    gb_examples_free(&horses->examples);
    for (int split = 0; split < GB_SPLITS; split++)
        free(horses->chosen[split]);
}

// ---- Which images ----

static enum gb_status find_names(struct horses *horses) {
    char masks_directory[GB_PATH];
    struct gb_list masks;
    // Masks are found by name later; this only refuses a directory without any.
    GB_TRY(gb_path_join(horses->source->directory, "figure_ground", masks_directory));
    GB_TRY(gb_list_directory(masks_directory, ".jpg", &masks));
    gb_list_free(&masks);
    GB_TRY(gb_path_join(horses->source->directory, "rgb", horses->rgb));
    GB_TRY(gb_list_directory(horses->rgb, ".jpg", &horses->names));
    size_t count = (size_t)horses->names.count;
    horses->indices = calloc(count, sizeof *horses->indices);
    horses->black = calloc(count, sizeof *horses->black);
    bool complete = horses->indices && horses->black;
    for (int split = 0; split < GB_SPLITS; split++) {
        horses->chosen[split] = calloc(count, sizeof *horses->chosen[split]);
        complete &= horses->chosen[split] != NULL;
    }
    return complete ? GB_OK : gb_no_memory("cannot read horses", horses->source->directory);
}

// No name is taken twice, so that all fit.
static enum gb_status want_lists(struct horses *horses) {
    bool *taken = calloc((size_t)horses->names.count, sizeof *taken);
    enum gb_status status =
        taken ? GB_OK : gb_no_memory("cannot read horses", horses->source->directory);
    for (int split = 0; status == GB_OK && split < GB_SPLITS; split++) {
        char path[GB_PATH];
        int *indices = NULL, count = 0;
        status = gb_path_join(horses->source->split_directory, list_names[split], path);
        if (status == GB_OK)
            status = gb_list_choose(path, &horses->names, horses->rgb, taken, &indices, &count);
        for (int i = 0; status == GB_OK && i < count; i++) {
            horses->indices[horses->count] = indices[i];
            horses->chosen[split][horses->split_count[split]++] = horses->count++;
        }
        free(indices);
    }
    free(taken);
    return status;
}

static void want_all(struct horses *horses) {
    for (int i = 0; i < horses->names.count; i++)
        horses->indices[horses->count++] = i;
}

// ---- Reading ----

static bool is_black(const struct gb_image *image) {
    size_t bytes = (size_t)image->w * (size_t)image->h * (size_t)image->c;
    for (size_t i = 0; i < bytes; i++)
        if (image->pixels[i] > BLACK)
            return false;
    return true;
}

static enum gb_status check_aspect(const struct gb_image *image, const struct gb_image *mask,
                                   const char *mask_path) {
    double ratio = (double)image->w * mask->h / ((double)image->h * mask->w);
    if (fabs(ratio - 1.0) <= 0.02)
        return GB_OK;
    return gb_fail(GB_BAD_INPUT, "cannot read horses", mask_path,
                   "%d x %d pixels are not the shape of its image, %d x %d", mask->w, mask->h,
                   image->w, image->h);
}

static enum gb_status resize_pair(const struct gb_image *image, const struct gb_image *mask,
                                  const struct gb_example *example) {
    int h = example->y.h, w = example->y.w;
    float *y = example->y.data;
    GB_TRY(gb_resize(image, GB_BILINEAR, h, w, example->x.data));
    GB_TRY(gb_resize(mask, GB_BILINEAR, h, w, y));
    for (int i = 0; i < h * w; i++)
        y[i] = y[i] * 255.0f > 127.0f ? 1.0f : 0.0f;
    return GB_OK;
}

// Example `index` of those wanted.
static enum gb_status read_pair(const struct gb_dataset *set, int index,
                                const struct gb_random_key *key, const struct gb_example *example) {
    (void)key;
    struct horses *horses = set->source;
    const char *name = horses->names.names[horses->indices[index]];
    char image_path[GB_PATH], mask_path[GB_PATH];
    struct gb_image image = {0}, mask = {0};
    GB_TRY(gb_path_join(horses->rgb, name, image_path));
    GB_TRY(gb_path_format(mask_path, "%s/figure_ground/%s", horses->source->directory, name));
    enum gb_status status = gb_image_read(image_path, 3, &image);
    if (status == GB_OK)
        status = gb_image_read(mask_path, 1, &mask);
    if (status == GB_OK)
        status = check_aspect(&image, &mask, mask_path);
    if (status == GB_OK)
        status = resize_pair(&image, &mask, example);
    if (status == GB_OK)
        horses->black[index] = is_black(&image);
    gb_image_free(&image);
    gb_image_free(&mask);
    return status;
}

static struct gb_example_shape shape_of(const struct gb_source *source) {
    int size = source->size;
    return (struct gb_example_shape){
        .x_h = size, .x_w = size, .x_c = 3, .y_h = size, .y_w = size, .y_c = 1};
}

static enum gb_status read_pairs(struct horses *horses) {
    const struct gb_dataset wanted = {.count = horses->count,
                                      .shape = shape_of(horses->source),
                                      .source = horses,
                                      .fill = read_pair};
    return gb_dataset_gather(&wanted, NULL, wanted.count, 0, horses->source->threads,
                             &horses->examples);
}

// ---- Splits ----

static enum gb_status split_by_seed(struct horses *horses) {
    int *order = calloc((size_t)horses->count, sizeof *order);
    if (!order)
        return gb_no_memory("cannot read horses", horses->source->directory);
    int usable = 0;
    for (int i = 0; i < horses->count; i++)
        if (!horses->black[i])
            order[usable++] = i;
    const struct gb_random_key key = {.seed = GB_HORSES_SPLIT_SEED, .purpose = GB_RANDOM_SPLIT};
    gb_shuffle(&key, order, usable);
    int train = usable >= 300 ? GB_HORSES_TRAIN : usable - usable / 3;
    horses->split_count[GB_SPLIT_TRAIN] = train;
    horses->split_count[GB_SPLIT_TEST] = usable - train;
    for (int split = 0, first = 0; split < GB_SPLITS; split++) {
        int count = horses->split_count[split];
        memcpy(horses->chosen[split], order + first, (size_t)count * sizeof *order);
        gb_indices_sort(horses->chosen[split], count);
        first += count;
    }
    free(order);
    return GB_OK;
}

static enum gb_status hand_over(struct horses *horses, enum gb_split split,
                                struct gb_dataset *set) {
    int *chosen = horses->chosen[split], count = 0;
    for (int i = 0; i < horses->split_count[split]; i++)
        if (!horses->black[chosen[i]])
            chosen[count++] = chosen[i];
    if (count == 0)
        return gb_fail(GB_BAD_INPUT, "cannot read horses", horses->source->directory,
                       "no usable image is left for the %s split", gb_split_name(split));
    const struct gb_example_shape shape = shape_of(horses->source);
    struct gb_examples examples;
    GB_TRY(gb_dataset_create(set, count, &shape));
    GB_TRY(gb_examples_select(&horses->examples, chosen, count, &examples));
    enum gb_status status = gb_dataset_hold(set, &examples);
    gb_examples_free(&examples);
    for (int i = 0; status == GB_OK && i < count; i++)
        status = gb_dataset_name(set, i, horses->names.names[horses->indices[chosen[i]]]);
    return status;
}

static enum gb_status load(struct horses *horses, struct gb_dataset splits[]) {
    GB_TRY(find_names(horses));
    if (horses->source->split_directory)
        GB_TRY(want_lists(horses));
    else
        want_all(horses);
    GB_TRY(read_pairs(horses));
    if (!horses->source->split_directory)
        GB_TRY(split_by_seed(horses));
    for (int split = 0; split < GB_SPLITS; split++)
        GB_TRY(hand_over(horses, (enum gb_split)split, &splits[split]));
    return GB_OK;
}

enum gb_status gb_horses_load(const struct gb_source *source, struct gb_dataset splits[]) {
    struct horses horses = {.source = source};
    gb_splits_clear(splits);
    const enum gb_status status = load(&horses, splits);
    horses_free(&horses);
    return gb_splits_keep(splits, status);
}
