// SPDX-License-Identifier: MIT
#include "tasks/data/horses_data.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "tasks/data/lists.h"
#include "tasks/data/masks.h"
#include "tasks/data/randomness.h"
#include "tasks/images/image.h"
#include "tasks/images/resize.h"

// The brightest channel of rgb/horse318.jpg is 2, that of the next darkest image 235.
enum { BLACK = 15 };

static const char cannot_read[] = "cannot read horses";

struct horses {
    const struct gb_source *source;
    char rgb[GB_PATH], masks[GB_PATH]; // the directories
    const char *kind;                  // of masks, for messages
    struct gb_list names; // of all images, in byte order; the others are by index in these
    bool *wanted;         // all images, or those of both lists
    struct gb_mask_rule rule;
    bool *black;
    struct gb_examples examples;
    struct gb_list_split split;
};

static void horses_free(struct horses *horses) {
    gb_list_free(&horses->names);
    free(horses->wanted);
    free(horses->black);
    gb_examples_free(&horses->examples);
    gb_list_split_free(&horses->split);
}

// ---- Which images ----

static enum gb_status find_directories(struct horses *horses) {
    const struct gb_source *source = horses->source;
    if (source->masks) {
        horses->kind = "masks";
        GB_TRY(gb_path_format(horses->masks, "%s", source->masks));
        return gb_path_format(horses->rgb, "%s", source->directory);
    }
    horses->kind = "figure_ground";
    GB_TRY(gb_path_join(source->directory, horses->kind, horses->masks));
    return gb_path_join(source->directory, "rgb", horses->rgb);
}

static enum gb_status find_names(struct horses *horses) {
    static const char *const lists[GB_SPLITS] = {"horses_train.txt", "horses_test.txt"};
    const char *directory = horses->source->directory,
               *split_directory = horses->source->split_directory;
    struct gb_list masks;
    GB_TRY(find_directories(horses));
    // Masks are found by name later; this only refuses a directory without any.
    GB_TRY(gb_list_directory(horses->masks, GB_IMAGE_ENDINGS, &masks));
    gb_list_free(&masks);
    GB_TRY(gb_list_images(horses->rgb, &horses->names));
    const int count = horses->names.count;
    horses->wanted = calloc((size_t)count, sizeof *horses->wanted);
    horses->black = calloc((size_t)count, sizeof *horses->black);
    if (!horses->wanted || !horses->black)
        return gb_no_memory(cannot_read, directory);
    struct gb_list_split *split = &horses->split;
    if (split_directory)
        GB_TRY(gb_list_split_read(split_directory, lists, &horses->names, horses->rgb, split));
    else
        GB_TRY(gb_list_split_create(split, count));
    for (int i = 0; i < count; i++)
        horses->wanted[i] = !split_directory;
    for (int side = 0; side < GB_SPLITS; side++)
        for (int i = 0; i < split->count[side]; i++)
            horses->wanted[split->indices[side][i]] = true;
    return GB_OK;
}

// ---- Reading ----

static bool is_black(const struct gb_image *image) {
    size_t bytes = (size_t)image->w * (size_t)image->h * (size_t)image->c;
    for (size_t i = 0; i < bytes; i++)
        if (image->pixels[i] > BLACK)
            return false;
    return true;
}

// "" for a horse that is not wanted.
static enum gb_status mask_path(const void *context, int index, char path[static GB_PATH]) {
    const struct horses *horses = context;
    const char *name = horses->names.names[index], *ending = strrchr(name, '.');
    path[0] = 0;
    if (!horses->wanted[index])
        return GB_OK;
    char *stem = strndup(name, (size_t)(ending - name));
    const enum gb_status status = stem ? gb_image_path(horses->masks, stem, ending, path)
                                       : gb_no_memory(cannot_read, horses->masks);
    free(stem);
    return status;
}

static enum gb_status check_aspect(const struct gb_image *image, const struct gb_image *mask,
                                   const char *path) {
    const double ratio = (double)image->w * mask->h / ((double)image->h * mask->w);
    const double turned = (double)image->w * mask->w / ((double)image->h * mask->h);
    if (fabs(ratio - 1.0) <= 0.02)
        return GB_OK;
    return gb_fail(GB_BAD_INPUT, cannot_read, path,
                   "%d x %d pixels are not the shape of its image, %d x %d%s", mask->w, mask->h,
                   image->w, image->h, fabs(turned - 1.0) <= 0.02 ? GB_MASK_TURNED : "");
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

static enum gb_status read_pair(const struct gb_dataset *set, int index,
                                const struct gb_random_key *key, const struct gb_example *example) {
    (void)key;
    struct horses *horses = set->source;
    if (!horses->wanted[index])
        return GB_OK;
    const char *name = horses->names.names[index];
    char of_image[GB_PATH], of_mask[GB_PATH];
    struct gb_image image = {0}, mask = {0};
    GB_TRY(gb_path_join(horses->rgb, name, of_image));
    GB_TRY(mask_path(horses, index, of_mask));
    enum gb_status status = gb_image_read(of_image, 3, &image);
    if (status == GB_OK)
        status = gb_mask_read(of_mask, &horses->rule, &mask);
    if (status == GB_OK)
        status = check_aspect(&image, &mask, of_mask);
    if (status == GB_OK)
        status = resize_pair(&image, &mask, example);
    if (status == GB_OK)
        horses->black[index] = is_black(&image);
    gb_image_free(&image);
    gb_image_free(&mask);
    return status;
}

static struct gb_example_shape shape_of(const struct gb_source *source) {
    const int h = source->size, w = source->width ? source->width : h;
    return (struct gb_example_shape){.x_h = h, .x_w = w, .x_c = 3, .y_h = h, .y_w = w, .y_c = 1};
}

static enum gb_status read_pairs(struct horses *horses) {
    const struct gb_mask_files masks = {horses->kind, horses->names.count, mask_path, horses};
    GB_TRY(gb_mask_survey(&masks, horses->source, &horses->rule));
    const struct gb_dataset pairs = {
        .shape = shape_of(horses->source), .source = horses, .fill = read_pair};
    return gb_dataset_gather(&pairs, NULL, horses->names.count, 0, horses->source->threads,
                             &horses->examples);
}

// ---- Splits ----

static void split_by_seed(struct horses *horses) {
    const struct gb_random_key key = {.seed = GB_HORSES_SPLIT_SEED, .purpose = GB_RANDOM_SPLIT};
    struct gb_list_split *split = &horses->split;
    int *order = split->indices[GB_SPLIT_TRAIN], usable = 0;
    for (int i = 0; i < horses->names.count; i++)
        if (!horses->black[i])
            order[usable++] = i;
    gb_shuffle(&key, order, usable);
    const bool published = !horses->source->masks && usable >= 300;
    const int train = published ? GB_HORSES_TRAIN : usable - usable / 3;
    split->count[GB_SPLIT_TRAIN] = train;
    split->count[GB_SPLIT_TEST] = usable - train;
    memcpy(split->indices[GB_SPLIT_TEST], order + train, (size_t)(usable - train) * sizeof *order);
    for (int side = 0; side < GB_SPLITS; side++)
        gb_indices_sort(split->indices[side], split->count[side]);
}

static enum gb_status hand_over(struct horses *horses, enum gb_split split,
                                struct gb_dataset *set) {
    int *chosen = horses->split.indices[split], count = 0;
    for (int i = 0; i < horses->split.count[split]; i++)
        if (!horses->black[chosen[i]])
            chosen[count++] = chosen[i];
    if (count == 0)
        return gb_fail(GB_BAD_INPUT, cannot_read, horses->source->directory,
                       "no usable image is left for the %s split", gb_split_name(split));
    const struct gb_example_shape shape = shape_of(horses->source);
    struct gb_examples examples;
    GB_TRY(gb_dataset_create(set, count, &shape));
    GB_TRY(gb_examples_select(&horses->examples, chosen, count, &examples));
    const float *y = examples.y.data;
    uint64_t foreground = 0;
    for (size_t i = 0; i < gb_elements(&examples.y); i++)
        foreground += y[i] > 0;
    enum gb_status status =
        gb_mask_check(horses->kind, split, horses->source, foreground, gb_elements(&examples.y));
    if (status == GB_OK)
        status = gb_dataset_hold(set, &examples);
    gb_examples_free(&examples);
    for (int i = 0; status == GB_OK && i < count; i++)
        status = gb_dataset_name(set, i, horses->names.names[chosen[i]]);
    return status;
}

static enum gb_status load(struct horses *horses, struct gb_dataset splits[]) {
    GB_TRY(find_names(horses));
    GB_TRY(read_pairs(horses));
    if (!horses->source->split_directory)
        split_by_seed(horses);
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
