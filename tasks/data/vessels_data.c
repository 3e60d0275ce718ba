// SPDX-License-Identifier: MIT
#include "tasks/data/vessels_data.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "kernels/parallel.h"
#include "tasks/data/hash.h"
#include "tasks/data/lists.h"
#include "tasks/images/normalize_illumination.h"
#include "tasks/images/warp.h"

static const char what[] = "cannot read vessels";

// ---- windows on images ----

struct windows {
    int count;
    bool augmented;
    struct gb_vessel_image *images;
};

// The paper's.
static const struct gb_augmentation augmentation = {
    .rotate = true, .scale = 0.2, .shear_degrees = 10};

void gb_vessel_image_clear(struct gb_vessel_image *image) {
    gb_image_free(&image->image);
    gb_image_free(&image->vessels);
    gb_image_free(&image->second);
    gb_image_free(&image->field);
}

void gb_vessel_images_free(struct gb_vessel_image *images, int count) {
    for (int i = 0; images && i < count; i++)
        gb_vessel_image_clear(&images[i]);
    free(images);
}

static void free_windows(void *source) {
    struct windows *windows = source;
    gb_vessel_images_free(windows->images, windows->count);
    free(windows);
}

// Where on an axis the middle of a window comes from.
static double place_window(const struct gb_random_key *key, uint32_t element, int image,
                           int window) {
    if (window >= image)
        return image / 2.0;
    return window / 2.0 + (double)gb_random_uniform(key, element) * (image - window);
}

// Where an example of h x w pixels comes from.
static struct gb_affine_map map_of(const struct windows *windows, int index,
                                   const struct gb_random_key *key, int h, int w) {
    if (!windows->augmented)
        return (struct gb_affine_map){.xx = 1, .yy = 1};
    const struct gb_image *image = &windows->images[index].image;
    struct gb_random_key own = *key;
    own.purpose = GB_RANDOM_AUGMENT;
    double x = place_window(&own, GB_AUGMENTATION_ELEMENTS, image->w, w);
    double y = place_window(&own, GB_AUGMENTATION_ELEMENTS + 1, image->h, h);
    return gb_affine_anchor(gb_augmentation_draw(&augmentation, key), w / 2.0, h / 2.0, x, y);
}

static void blank_outside(const struct gb_tensor *field, const struct gb_tensor *x) {
    const float neutral = GB_LEVEL_NEUTRAL / 255.0f;
    for (int i = 0; i < x->h; i++)
        for (int j = 0; j < x->w; j++)
            for (int c = 0; c < x->c && *gb_at(field, 0, i, j) == 0; c++)
                gb_at(x, 0, i, j)[c] = neutral;
}

static enum gb_status fill(const struct gb_dataset *set, int index, const struct gb_random_key *key,
                           const struct gb_example *example) {
    const struct windows *windows = set->source;
    const struct gb_vessel_image *image = &windows->images[index];
    struct gb_affine_map map = map_of(windows, index, key, example->x.h, example->x.w);
    gb_warp(&image->image, &map, &example->x);
    gb_warp_mask(&image->vessels, &map, &example->y);
    gb_warp_mask(&image->field, &map, &example->mask);
    blank_outside(&example->mask, &example->x);
    return GB_OK;
}

bool gb_vessels_second(const struct gb_dataset *set, int index, const struct gb_random_key *key,
                       const struct gb_tensor *second) {
    const struct windows *windows = set->source;
    const struct gb_vessel_image *image = &windows->images[index];
    if (!image->second.pixels)
        return false;
    struct gb_affine_map map = map_of(windows, index, key, second->h, second->w);
    gb_warp_mask(&image->second, &map, second);
    return true;
}

static uint64_t hash_image(uint64_t hash, const struct gb_image *image) {
    const size_t count = image->pixels ? (size_t)image->h * (size_t)image->w * (size_t)image->c : 0;
    return gb_hash_bytes(hash, image->pixels, count);
}

enum gb_status gb_vessels_hold(struct gb_vessel_image *images, int count, enum gb_split split,
                               const struct gb_source *source, struct gb_dataset *set) {
    const bool deep = source->multiple > GB_VESSELS_MULTIPLE;
    const size_t multiple = deep ? (size_t)source->multiple : GB_VESSELS_MULTIPLE;
    const int h = (int)gb_round_up((size_t)images->image.h, multiple);
    const int w = (int)gb_round_up((size_t)images->image.w, multiple);
    // The same light for every model.
    const int levelled = (int)gb_round_up((size_t)images->image.w, GB_VESSELS_MULTIPLE);
    const int size = source->size;
    const bool train = split == GB_SPLIT_TRAIN;
    struct gb_example_shape shape = {.x_h = train && size < h ? size : h,
                                     .x_w = train && size < w ? size : w,
                                     .x_c = 3,
                                     .y_c = 1,
                                     .masked = true};
    shape.y_h = shape.x_h;
    shape.y_w = shape.x_w;
    struct windows *windows = malloc(sizeof *windows);
    enum gb_status status =
        windows ? gb_dataset_create(set, count, &shape) : gb_no_memory(what, gb_split_name(split));
    for (int i = 0; status == GB_OK && i < count; i++)
        status = gb_normalize_illumination(&images[i].image, &images[i].field,
                                           levelled / GB_VESSELS_LEVEL);
    if (status != GB_OK) {
        free(windows);
        gb_vessel_images_free(images, count);
        gb_dataset_free(set);
        return status;
    }
    *windows = (struct windows){count, train, images};
    set->source = windows;
    set->fill = fill;
    set->free_source = free_windows;
    set->hash = GB_HASH_BASIS;
    for (int i = 0; i < count; i++) {
        set->hash = hash_image(set->hash, &images[i].image);
        set->hash = hash_image(set->hash, &images[i].vessels);
        set->hash = hash_image(set->hash, &images[i].field);
    }
    return GB_OK;
}

const struct gb_vessel_image *gb_vessels_image(const struct gb_dataset *set, int index) {
    const struct windows *windows = set->source;
    return &windows->images[index];
}

// ---- what a directory holds ----

// The files of one image; a name that is NULL stands for a file that the set does not have.
struct entry {
    char *name; // of the image, as in lists
    char *image, *vessels, *second, *field;
    enum gb_split split; // as the set's publishers have it
};

struct directory {
    const char *path;
    int count, room;
    struct entry *entries; // in byte order of their names
};

static void directory_free(struct directory *directory) {
    for (int i = 0; i < directory->count; i++) {
        struct entry *entry = &directory->entries[i];
        char *const owned[] = {entry->name, entry->image, entry->vessels, entry->second,
                               entry->field};
        for (size_t j = 0; j < sizeof owned / sizeof *owned; j++)
            free(owned[j]);
    }
    free(directory->entries);
}

static enum gb_status make_room(struct directory *directory, int more) {
    struct entry *entries =
        realloc(directory->entries, (size_t)(directory->count + more) * sizeof *entries);
    if (!entries)
        return gb_no_memory(what, directory->path);
    directory->entries = entries;
    memset(entries + directory->count, 0, (size_t)more * sizeof *entries);
    return GB_OK;
}

// Image_NN[LR].jpg, whose subjects up to 10 train.
static enum gb_status add_chase(struct directory *directory, const char *name) {
    enum { LAST_TO_TRAIN = 10 };
    char tens, ones, eye;
    int end = 0;
    if (sscanf(name, "Image_%c%c%c.jpg%n", &tens, &ones, &eye, &end) != 3 || end == 0 ||
        name[end] || !isdigit((unsigned char)tens) || !isdigit((unsigned char)ones) ||
        (eye != 'L' && eye != 'R'))
        return gb_fail(GB_BAD_INPUT, what, directory->path, "%s is not named like Image_01L.jpg",
                       name);
    int stem = (int)strlen(name) - (int)strlen(".jpg");
    struct entry *entry = &directory->entries[directory->count++];
    *entry =
        (struct entry){.name = strdup(name),
                       .image = gb_format("%s/%s", directory->path, name),
                       .vessels = gb_format("%s/%.*s_1stHO.png", directory->path, stem, name),
                       .second = gb_format("%s/%.*s_2ndHO.png", directory->path, stem, name),
                       .split = 10 * (tens - '0') + (ones - '0') <= LAST_TO_TRAIN ? GB_SPLIT_TRAIN
                                                                                  : GB_SPLIT_TEST};
    bool whole = entry->name && entry->image && entry->vessels && entry->second;
    return whole ? GB_OK : gb_no_memory(what, directory->path);
}

// NN_training.tif or NN_test.tif, of which the test half has a second observer.
static enum gb_status add_drive(struct directory *directory, const char *half, enum gb_split split,
                                const char *name) {
    int number = (int)strcspn(name, "_"), stem = (int)strlen(name) - (int)strlen(".tif");
    const char *path = directory->path;
    struct entry *entry = &directory->entries[directory->count++];
    *entry = (struct entry){
        .name = strdup(name),
        .image = gb_format("%s/%s/images/%s", path, half, name),
        .vessels = gb_format("%s/%s/1st_manual/%.*s_manual1.gif", path, half, number, name),
        .field = gb_format("%s/%s/mask/%.*s_mask.gif", path, half, stem, name),
        .split = split};
    bool whole = entry->name && entry->image && entry->vessels && entry->field;
    if (split == GB_SPLIT_TEST) {
        entry->second = gb_format("%s/%s/2nd_manual/%.*s_manual2.gif", path, half, number, name);
        whole = whole && entry->second;
    }
    return whole ? GB_OK : gb_no_memory(what, path);
}

static enum gb_status find_chase(struct directory *directory) {
    struct gb_list list;
    GB_TRY(gb_list_directory(directory->path, ".jpg", &list));
    enum gb_status status = make_room(directory, list.count);
    for (int i = 0; status == GB_OK && i < list.count; i++)
        status = add_chase(directory, list.names[i]);
    gb_list_free(&list);
    return status;
}

static enum gb_status find_drive_half(struct directory *directory, const char *half,
                                      enum gb_split split) {
    struct gb_list list;
    char *room = gb_format("%s/%s/images", directory->path, half);
    enum gb_status status =
        room ? gb_list_directory(room, ".tif", &list) : gb_no_memory(what, directory->path);
    free(room);
    GB_TRY(status);
    status = make_room(directory, list.count);
    for (int i = 0; status == GB_OK && i < list.count; i++)
        status = add_drive(directory, half, split, list.names[i]);
    gb_list_free(&list);
    return status;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static enum gb_status find_entries(struct directory *directory) {
    struct stat status;
    char *training = gb_format("%s/training", directory->path);
    if (!training)
        return gb_no_memory(what, directory->path);
    bool drive = stat(training, &status) == 0;
    free(training);
    if (!drive)
        return find_chase(directory);
    GB_TRY(find_drive_half(directory, "training", GB_SPLIT_TRAIN));
    GB_TRY(find_drive_half(directory, "test", GB_SPLIT_TEST));
    qsort(directory->entries, (size_t)directory->count, sizeof *directory->entries, by_name);
    return GB_OK;
}

// ---- which of them a split takes ----

struct choice {
    int count;
    int *places; // in directory->entries
};

static enum gb_status choose_by_rule(const struct directory *directory, enum gb_split split,
                                     struct choice *choice) {
    for (int i = 0; i < directory->count; i++)
        if (directory->entries[i].split == split)
            choice->places[choice->count++] = i;
    if (choice->count == 0)
        return gb_fail(GB_BAD_INPUT, what, directory->path, "no image is left for the %s split",
                       gb_split_name(split));
    return GB_OK;
}

static enum gb_status choose_by_list(const struct directory *directory, const struct gb_list *names,
                                     const char *split_directory, enum gb_split split, bool *taken,
                                     struct choice *choice) {
    struct gb_list list = {0};
    char *path = gb_format("%s/vessels_%s.txt", split_directory, gb_split_name(split));
    enum gb_status status = path ? gb_list_read(path, &list) : gb_no_memory(what, split_directory);
    if (status == GB_OK && list.count > directory->count)
        status = gb_fail(GB_BAD_INPUT, what, path, "%d names for the %d images of %s", list.count,
                         directory->count, directory->path);
    if (status == GB_OK)
        status = gb_list_indices(&list, path, names, directory->path, taken, choice->places);
    choice->count = list.count;
    gb_list_free(&list);
    free(path);
    return status;
}

static enum gb_status choose_by_lists(const struct directory *directory,
                                      const char *split_directory, struct choice choices[]) {
    struct gb_list names = {.count = directory->count,
                            .names = calloc((size_t)directory->count, sizeof *names.names)};
    bool *taken = calloc((size_t)directory->count, sizeof *taken);
    enum gb_status status = names.names && taken ? GB_OK : gb_no_memory(what, split_directory);
    for (int i = 0; status == GB_OK && i < directory->count; i++)
        names.names[i] = directory->entries[i].name;
    for (int split = 0; status == GB_OK && split < GB_SPLITS; split++)
        status = choose_by_list(directory, &names, split_directory, (enum gb_split)split, taken,
                                &choices[split]);
    free(names.names);
    free(taken);
    return status;
}

static enum gb_status choose(const struct directory *directory, const char *split_directory,
                             struct choice choices[]) {
    for (int split = 0; split < GB_SPLITS; split++) {
        choices[split].places = calloc((size_t)directory->count, sizeof *choices[split].places);
        if (!choices[split].places)
            return gb_no_memory(what, directory->path);
    }
    if (split_directory)
        return choose_by_lists(directory, split_directory, choices);
    for (int split = 0; split < GB_SPLITS; split++)
        GB_TRY(choose_by_rule(directory, (enum gb_split)split, &choices[split]));
    return GB_OK;
}

// ---- reading ----

static enum gb_status read_mask(const char *path, const struct gb_image *image,
                                struct gb_image *mask) {
    enum { HALF = 127 };
    GB_TRY(gb_image_read(path, 1, mask));
    if (mask->w != image->w || mask->h != image->h)
        return gb_fail(GB_BAD_INPUT, what, path, "%d x %d pixels, but its image has %d x %d",
                       mask->w, mask->h, image->w, image->h);
    const size_t count = (size_t)mask->w * (size_t)mask->h;
    for (size_t i = 0; i < count; i++)
        mask->pixels[i] = mask->pixels[i] > HALF ? 255 : 0;
    return GB_OK;
}

// What is lit, of one row: from the first to the last red pixel.
static void find_field(const struct gb_image *image, int row, unsigned char *field) {
    const unsigned char *red = image->pixels + (size_t)row * (size_t)image->w * 3;
    int first = 0, end = image->w;
    while (first < end && red[3 * first] <= GB_VESSELS_DARK)
        first++;
    while (end > first && red[3 * (end - 1)] <= GB_VESSELS_DARK)
        end--;
    memset(field + first, 255, (size_t)(end - first));
}

static enum gb_status read_field(const struct entry *entry, const struct gb_image *image,
                                 struct gb_image *field) {
    if (entry->field)
        return read_mask(entry->field, image, field);
    GB_TRY(gb_image_create(field, image->w, image->h, 1, 8, entry->image));
    for (int row = 0; row < image->h; row++)
        find_field(image, row, field->pixels + (size_t)row * (size_t)image->w);
    return GB_OK;
}

static enum gb_status read_image(const struct entry *entry, struct gb_vessel_image *image) {
    GB_TRY(gb_image_read(entry->image, 3, &image->image));
    GB_TRY(read_mask(entry->vessels, &image->image, &image->vessels));
    if (entry->second)
        GB_TRY(read_mask(entry->second, &image->image, &image->second));
    GB_TRY(read_field(entry, &image->image, &image->field));
    const size_t count = (size_t)image->field.w * (size_t)image->field.h;
    if (!memchr(image->field.pixels, 255, count))
        return gb_fail(GB_BAD_INPUT, what, entry->field ? entry->field : entry->image,
                       "the field of view is empty");
    return GB_OK;
}

struct reading {
    const struct directory *directory;
    const struct choice *choice;
    struct gb_vessel_image *images;
};

static enum gb_status read_one(void *argument, int index) {
    const struct reading *reading = argument;
    return read_image(&reading->directory->entries[reading->choice->places[index]],
                      &reading->images[index]);
}

static enum gb_status check_sizes(const struct reading *reading) {
    const struct gb_image *first = &reading->images[0].image;
    for (int i = 0; i < reading->choice->count; i++) {
        const struct entry *entry = &reading->directory->entries[reading->choice->places[i]];
        const struct gb_image *image = &reading->images[i].image;
        if (image->w != first->w || image->h != first->h)
            return gb_fail(GB_BAD_INPUT, what, entry->image,
                           "%d x %d pixels, but images before it have %d x %d", image->w, image->h,
                           first->w, first->h);
    }
    return GB_OK;
}

static enum gb_status read_split(const struct directory *directory, const struct choice *choice,
                                 enum gb_split split, const struct gb_source *source,
                                 struct gb_dataset *set) {
    const int count = choice->count;
    struct reading reading = {.directory = directory,
                              .choice = choice,
                              .images = calloc((size_t)count, sizeof *reading.images)};
    if (!reading.images)
        return gb_no_memory(what, directory->path);
    enum gb_status status = gb_parallel_tries(source->threads, count, read_one, &reading);
    if (status == GB_OK)
        status = check_sizes(&reading);
    if (status != GB_OK) {
        gb_vessel_images_free(reading.images, count);
        return status;
    }
    GB_TRY(gb_vessels_hold(reading.images, count, split, source, set));
    for (int i = 0; i < count; i++)
        GB_TRY(gb_dataset_name(set, i, directory->entries[choice->places[i]].name));
    return GB_OK;
}

static enum gb_status load(struct directory *directory, struct choice choices[],
                           const struct gb_source *source, struct gb_dataset splits[]) {
    GB_TRY(find_entries(directory));
    GB_TRY(choose(directory, source->split_directory, choices));
    for (int split = 0; split < GB_SPLITS; split++)
        GB_TRY(
            read_split(directory, &choices[split], (enum gb_split)split, source, &splits[split]));
    return GB_OK;
}

enum gb_status gb_vessels_load(const struct gb_source *source, struct gb_dataset splits[]) {
    for (int split = 0; split < GB_SPLITS; split++)
        splits[split] = (struct gb_dataset){0};
    struct directory directory = {.path = source->directory};
    struct choice choices[GB_SPLITS] = {0};
    enum gb_status status = load(&directory, choices, source, splits);
    for (int split = 0; split < GB_SPLITS; split++) {
        free(choices[split].places);
        if (status != GB_OK)
            gb_dataset_free(&splits[split]);
    }
    directory_free(&directory);
    return status;
}
