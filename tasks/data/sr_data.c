// SPDX-License-Identifier: MIT
#include "tasks/data/sr_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/minmax.h"
#include "kernels/parallel.h"
#include "tasks/data/sr_files.h"
#include "tasks/images/resize.h"

static const char cannot_prepare[] = "cannot prepare images";

// Images at both resolutions.
struct pairs {
    struct gb_image_list high, low;
};

// A part of an image, in pixels of the high resolution.
struct window {
    int image_index, top, left;
};

// What a data set's examples are parts of.
struct parts {
    const struct pairs *pairs;
    struct pairs own;       // zeroed where the pairs belong to another data set
    bool random;            // a patch of each
    struct window *windows; // of crops and middles
    int multiple;           // of padded images; 0: as they are
};

// ---- Examples ----

// Copies a view's height and width of the image from (top, left) on; zeros beyond the image.
static void copy_pixels(const struct gb_image *image, int top, int left,
                        const struct gb_tensor *to) {
    const int rows = gb_min_int(image->h - top, to->h),
              columns = gb_min_int(image->w - left, to->w);
    memset(to->data, 0, gb_elements(to) * sizeof(float));
    for (int i = 0; i < rows; i++) {
        const size_t first = ((size_t)(top + i) * (size_t)image->w + (size_t)left) * 3;
        const unsigned char *from = image->pixels + first;
        float *row = gb_at(to, 0, i, 0);
        for (int j = 0; j < columns * 3; j++)
            row[j] = (float)from[j] / 256;
    }
}

// A uniformly random square of an image.
static struct window draw_window(const struct pairs *pairs, int image_index, int side,
                                 const struct gb_random_key *key) {
    const struct gb_image *image = &pairs->high.images[image_index];
    // In double, since float products may round up to the number of positions.
    const double down = gb_random_uniform(key, 0), right = gb_random_uniform(key, 1);
    return (struct window){.image_index = image_index,
                           .top = 2 * (int)(down * ((image->h - side) / 2 + 1)),
                           .left = 2 * (int)(right * ((image->w - side) / 2 + 1))};
}

static enum gb_status fill(const struct gb_dataset *set, int index, const struct gb_random_key *key,
                           const struct gb_example *example) {
    const struct parts *parts = set->source;
    struct window window = {.image_index = index};
    if (parts->windows)
        window = parts->windows[index];
    if (parts->random) {
        struct gb_random_key place = *key;
        place.purpose = GB_RANDOM_AUGMENT;
        window = draw_window(parts->pairs, index, set->shape.y_h, &place);
    }
    const struct gb_image *high = &parts->pairs->high.images[window.image_index],
                          *low = &parts->pairs->low.images[window.image_index];
    copy_pixels(high, window.top, window.left, &example->y);
    copy_pixels(low, window.top / 2, window.left / 2, &example->x);
    return GB_OK;
}

static struct gb_example_shape shape_for(int h, int w) {
    return (struct gb_example_shape){
        .x_h = h / 2, .x_w = w / 2, .x_c = 3, .y_h = h, .y_w = w, .y_c = 3};
}

// Of a full image, or of the square that it is padded to.
static struct gb_example_shape full_shape(const struct gb_dataset *set, int index) {
    const struct parts *parts = set->source;
    const struct gb_image *image = &parts->pairs->high.images[index];
    if (!parts->multiple)
        return shape_for(image->h, image->w);
    const int longer = gb_max_int(image->h, image->w);
    const int side = (int)gb_round_up((size_t)longer, (size_t)parts->multiple);
    return shape_for(side, side);
}

// ---- Two resolutions ----

// Crops the image to even sides first.
static enum gb_status halve(struct gb_image *high, struct gb_image *low) {
    gb_image_crop(high, 0, 0, high->w & ~1, high->h & ~1);
    const int h = high->h / 2, w = high->w / 2, count = h * w * 3;
    float *values = malloc((size_t)count * sizeof *values);
    if (!values)
        return gb_no_memory(cannot_prepare, "image");
    enum gb_status status = gb_resize(high, GB_BICUBIC, h, w, values);
    if (status == GB_OK)
        status = gb_image_create(low, w, h, 3, 8, "low resolution");
    for (int i = 0; status == GB_OK && i < count; i++)
        low->pixels[i] = (unsigned char)lrintf(values[i] * 255);
    free(values);
    return status;
}

static void free_pairs(struct pairs *pairs) {
    gb_image_list_free(&pairs->high);
    gb_image_list_free(&pairs->low);
}

static enum gb_status halve_one(void *argument, int index) {
    const struct pairs *pairs = argument;
    return halve(&pairs->high.images[index], &pairs->low.images[index]);
}

// Takes over the images and makes their halves.
static enum gb_status make_pairs(struct gb_image_list *list, int threads, struct pairs *pairs) {
    *pairs = (struct pairs){.high = *list};
    *list = (struct gb_image_list){0};
    GB_TRY(gb_image_list_create(&pairs->low, pairs->high.count));
    return gb_parallel_tries(threads, pairs->high.count, halve_one, pairs);
}

// ---- Reduced images ----

struct reduction {
    struct gb_image_list *list;
    const int *sources; // source of each reduced image; these follow `first` full ones
    int first;
};

static enum gb_status reduce_one(void *argument, int index) {
    const struct reduction *reduction = argument;
    struct gb_image *images = reduction->list->images;
    return halve(&images[reduction->sources[index]], &images[reduction->first + index]);
}

// Appends `count` empty images, named after their sources.
static enum gb_status extend(struct gb_image_list *list, const int *sources, int count) {
    const int first = list->count;
    GB_TRY(gb_image_list_extend(list, count));
    char **names = list->names;
    for (int i = 0; i < count; i++)
        if (!(names[first + i] = gb_format("%s reduced", names[sources[i]])))
            return gb_no_memory(cannot_prepare, names[sources[i]]);
    return GB_OK;
}

// Appends the halves of images with sides of at least four patches.
static enum gb_status add_reduced(struct gb_image_list *list, int size, int threads) {
    const int first = list->count;
    int *sources = calloc((size_t)first + 1, sizeof *sources), count = 0;
    if (!sources)
        return gb_no_memory(cannot_prepare, "list");
    for (int i = 0; i < first; i++)
        if (list->images[i].w >= 4 * size && list->images[i].h >= 4 * size)
            sources[count++] = i;
    enum gb_status status = extend(list, sources, count);
    struct reduction reduction = {list, sources, first};
    if (status == GB_OK)
        status = gb_parallel_tries(threads, count, reduce_one, &reduction);
    free(sources);
    return status;
}

// ---- Data sets ----

static void free_parts(void *source) {
    struct parts *parts = source;
    free_pairs(&parts->own);
    free(parts->windows);
    free(parts);
}

// A data set with parts of these pairs (NULL: of its own) as its source; the caller frees it on
// failure.
static enum gb_status create_set(struct gb_dataset *set, int count,
                                 const struct gb_example_shape *shape, const struct pairs *pairs,
                                 struct parts **parts) {
    GB_TRY(gb_dataset_create(set, count, shape));
    *parts = calloc(1, sizeof **parts);
    if (!*parts)
        return gb_no_memory(cannot_prepare, "data set");
    (*parts)->pairs = pairs ? pairs : &(*parts)->own;
    set->source = *parts;
    set->fill = fill;
    set->free_source = free_parts;
    return GB_OK;
}

static enum gb_status name_all(struct gb_dataset *set, char *const *names) {
    for (int i = 0; i < set->count; i++)
        GB_TRY(gb_dataset_name(set, i, names[i]));
    return GB_OK;
}

// Frees the data set on failure.
static enum gb_status freed_on_failure(enum gb_status status, struct gb_dataset *set) {
    if (status != GB_OK)
        gb_dataset_free(set);
    return status;
}

// Makes the data set of these images and takes ownership of them.
static enum gb_status make_split(struct gb_image_list *list, enum gb_split split,
                                 const struct gb_source *source, struct gb_dataset *set) {
    const bool trains = split == GB_SPLIT_TRAIN;
    const struct gb_example_shape shape =
        trains ? shape_for(source->size, source->size) : (struct gb_example_shape){0};
    struct parts *parts;
    if (trains && source->directory)
        GB_TRY(add_reduced(list, source->size, source->threads));
    GB_TRY(create_set(set, list->count, &shape, NULL, &parts));
    set->hash = gb_image_list_hash(list);
    set->shape_of = trains ? NULL : full_shape;
    parts->random = trains;
    GB_TRY(make_pairs(list, source->threads, &parts->own));
    return name_all(set, parts->own.high.names);
}

enum gb_status gb_sr_hold(struct gb_image_list lists[], const struct gb_source *source,
                          struct gb_dataset splits[]) {
    enum gb_status status = GB_OK;
    gb_splits_clear(splits);
    for (int split = 0; status == GB_OK && split < GB_SPLITS; split++)
        status = make_split(&lists[split], split, source, &splits[split]);
    for (int split = 0; split < GB_SPLITS; split++)
        gb_image_list_free(&lists[split]);
    return gb_splits_keep(splits, status);
}

enum gb_status gb_sr_load(const struct gb_source *source, struct gb_dataset splits[]) {
    struct gb_image_list lists[GB_SPLITS];
    gb_splits_clear(splits);
    GB_TRY(gb_sr_read(source, lists));
    return gb_sr_hold(lists, source, splits);
}

static const struct pairs *pairs_of(const struct gb_dataset *set) {
    const struct parts *parts = set->source;
    return parts->pairs;
}

// A data set of side x side windows, which the caller sets.
static enum gb_status create_windows(const struct gb_dataset *test, int count, int side,
                                     struct gb_dataset *set) {
    const struct gb_example_shape shape = shape_for(side, side);
    struct parts *parts;
    GB_TRY(create_set(set, count, &shape, pairs_of(test), &parts));
    set->hash = test->hash;
    parts->windows = calloc((size_t)count, sizeof *parts->windows);
    return parts->windows ? GB_OK : gb_no_memory(cannot_prepare, "windows");
}

enum gb_status gb_sr_crops(const struct gb_dataset *test, int first, int image_count, int count,
                           int side, uint64_t seed, struct gb_dataset *crops) {
    enum gb_status status = create_windows(test, count, side, crops);
    const struct parts *parts = crops->source;
    for (int i = 0; status == GB_OK && i < count; i++) {
        const struct gb_random_key key = {
            .seed = seed, .purpose = GB_RANDOM_AUGMENT, .sample = (uint32_t)i};
        const int image_index = first + (int)((double)gb_random_uniform(&key, 2) * image_count);
        parts->windows[i] = draw_window(parts->pairs, image_index, side, &key);
        status = gb_dataset_name(crops, i, test->names[image_index]);
    }
    return freed_on_failure(status, crops);
}

enum gb_status gb_sr_middles(const struct gb_dataset *test, int side, struct gb_dataset *middles) {
    enum gb_status status = create_windows(test, test->count, side, middles);
    const struct parts *parts = middles->source;
    for (int i = 0; status == GB_OK && i < test->count; i++) {
        const struct gb_image *image = &parts->pairs->high.images[i];
        parts->windows[i] = (struct window){
            .image_index = i, .top = (image->h - side) / 4 * 2, .left = (image->w - side) / 4 * 2};
    }
    if (status == GB_OK)
        status = name_all(middles, test->names);
    return freed_on_failure(status, middles);
}

enum gb_status gb_sr_pad(const struct gb_dataset *test, int multiple, struct gb_dataset *padded) {
    const struct gb_example_shape shape = {0};
    struct parts *parts;
    enum gb_status status = create_set(padded, test->count, &shape, pairs_of(test), &parts);
    if (status == GB_OK) {
        padded->hash = test->hash;
        padded->shape_of = full_shape;
        parts->multiple = multiple;
        status = name_all(padded, test->names);
    }
    return freed_on_failure(status, padded);
}
