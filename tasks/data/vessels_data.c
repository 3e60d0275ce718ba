// SPDX-License-Identifier: MIT
#include "tasks/data/vessels_data.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/hash.h"
#include "kernels/parallel.h"
#include "tasks/data/lists.h"
#include "tasks/data/masks.h"
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
    GB_EACH_ELEMENT(x, at)
        if (*gb_at(field, 0, at[1], at[2]) == 0)
            *gb_element(x, at) = neutral;
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

// ---- The data set's files ----

// An image and its masks.
enum file { IMAGE, VESSELS, SECOND, FIELD, FILES };
static const char *const kinds[FILES] = {"images", "the first observer", "the second observer",
                                         "the fields of view"};

struct directory {
    const char *path;
    bool drive;            // else CHASE_DB1
    struct gb_list names;  // of the images, in byte order
    enum gb_split *halves; // where each is, as published
    bool has_second;       // DRIVE's test/2nd_manual
    struct gb_mask_rule rules[FILES];
};

// Their paths; "" for those that the data set does not have.
struct files {
    char paths[FILES][GB_PATH];
};

// DIRECTORY/ROOM/NAME's first letters, then `end`, as published with `ending`.
static enum gb_status find_mask(const char *directory, const char *room, int letters,
                                const char *name, const char *end, const char *ending,
                                char path[static GB_PATH]) {
    char place[GB_PATH];
    GB_TRY(gb_path_format(place, "%s%s", directory, room));
    char *stem = gb_format("%.*s%s", letters, name, end);
    const enum gb_status status =
        stem ? gb_image_path(place, stem, ending, path) : gb_no_memory(what, place);
    free(stem);
    return status;
}

static enum gb_status find_files(const struct directory *directory, int index,
                                 struct files *files) {
    const char *path = directory->path, *name = directory->names.names[index];
    const int stem = (int)(strrchr(name, '.') - name), number = (int)strcspn(name, "_");
    files->paths[SECOND][0] = files->paths[FIELD][0] = '\0';
    if (!directory->drive) {
        GB_TRY(gb_path_format(files->paths[IMAGE], "%s/%s", path, name));
        GB_TRY(find_mask(path, "", stem, name, "_1stHO", ".png", files->paths[VESSELS]));
        return find_mask(path, "", stem, name, "_2ndHO", ".png", files->paths[SECOND]);
    }
    const bool test = directory->halves[index] == GB_SPLIT_TEST;
    char half[GB_PATH];
    GB_TRY(gb_path_join(path, test ? "test" : "training", half));
    GB_TRY(gb_path_format(files->paths[IMAGE], "%s/images/%s", half, name));
    GB_TRY(find_mask(half, "/1st_manual", number, name, "_manual1", ".gif", files->paths[VESSELS]));
    GB_TRY(find_mask(half, "/mask", stem, name, "_mask", ".gif", files->paths[FIELD]));
    return test && directory->has_second ? find_mask(half, "/2nd_manual", number, name, "_manual2",
                                                     ".gif", files->paths[SECOND])
                                         : GB_OK;
}

static enum gb_status create_halves(struct directory *directory) {
    directory->halves = calloc((size_t)directory->names.count, sizeof *directory->halves);
    return directory->halves ? GB_OK : gb_no_memory(what, directory->path);
}

static bool is_chase_mask(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot - name > 6 &&
           (strncmp(dot - 6, "_1stHO", 6) == 0 || strncmp(dot - 6, "_2ndHO", 6) == 0);
}

// Image_NN[LR].jpg; subjects up to 10 train.
static enum gb_status find_chase(struct directory *directory) {
    enum { LAST_TO_TRAIN = 10 };
    struct gb_list *names = &directory->names;
    GB_TRY(gb_list_images(directory->path, names));
    int images = 0;
    for (int i = 0; i < names->count; i++)
        if (is_chase_mask(names->names[i]))
            free(names->names[i]);
        else
            names->names[images++] = names->names[i];
    names->count = images;
    if (images == 0)
        return gb_fail(GB_BAD_INPUT, what, directory->path, "holds no image like Image_01L.jpg");
    GB_TRY(create_halves(directory));
    for (int i = 0; i < images; i++) {
        const char *name = names->names[i];
        char tens, ones, eye;
        int end = 0;
        if (sscanf(name, "Image_%c%c%c.%n", &tens, &ones, &eye, &end) != 3 || end == 0 ||
            name + end - 1 != strrchr(name, '.') || !isdigit((unsigned char)tens) ||
            !isdigit((unsigned char)ones) || (eye != 'L' && eye != 'R'))
            return gb_fail(GB_BAD_INPUT, what, directory->path,
                           "%s is not named like Image_01L.jpg", name);
        const int subject = 10 * (tens - '0') + (ones - '0');
        directory->halves[i] = subject <= LAST_TO_TRAIN ? GB_SPLIT_TRAIN : GB_SPLIT_TEST;
    }
    return GB_OK;
}

static bool has(const struct directory *directory, const char *name) {
    char path[GB_PATH];
    return gb_path_join(directory->path, name, path) == GB_OK && gb_is_directory(path);
}

// NN_training.tif in training/images and NN_test.tif in test/images. The second may be missing, for
// lists of the first.
static enum gb_status find_drive(struct directory *directory) {
    char training[GB_PATH], test[GB_PATH];
    struct gb_list tests = {0};
    GB_TRY(gb_path_join(directory->path, "training/images", training));
    GB_TRY(gb_path_join(directory->path, "test/images", test));
    GB_TRY(gb_list_images(training, &directory->names));
    enum gb_status status = has(directory, "test") ? gb_list_images(test, &tests) : GB_OK;
    for (int i = 0; status == GB_OK && i < tests.count; i++)
        status = gb_list_add(&directory->names, strdup(tests.names[i]), test);
    gb_list_sort(&directory->names);
    if (status == GB_OK)
        status = create_halves(directory);
    for (int i = 0; status == GB_OK && i < directory->names.count; i++)
        directory->halves[i] =
            gb_list_find(&tests, directory->names.names[i]) >= 0 ? GB_SPLIT_TEST : GB_SPLIT_TRAIN;
    directory->has_second = has(directory, "test/2nd_manual");
    gb_list_free(&tests);
    return status;
}

// DRIVE is now distributed without the labels of its test images.
static enum gb_status lacks_truth(const struct directory *directory, const char *missing) {
    return gb_fail(GB_BAD_INPUT, what, directory->path,
                   "has no %s: DRIVE is distributed without the labels of its test images; "
                   "--split-dir with lists vessels_train.txt and vessels_test.txt can split the 20 "
                   "images of training/images instead",
                   missing);
}

static enum gb_status check_truth(const struct directory *directory,
                                  const struct gb_list_split *split) {
    static const char manual[] = "test/1st_manual";
    bool needed = false;
    for (int side = 0; side < GB_SPLITS; side++)
        for (int i = 0; i < split->count[side]; i++)
            needed |= directory->halves[split->indices[side][i]] == GB_SPLIT_TEST;
    if (!directory->drive || !needed)
        return GB_OK;
    if (!has(directory, manual))
        return lacks_truth(directory, manual);
    char path[GB_PATH];
    struct gb_list masks;
    GB_TRY(gb_path_join(directory->path, manual, path));
    GB_TRY(gb_list_entries(path, GB_IMAGE_ENDINGS, &masks));
    const bool empty = masks.count == 0;
    gb_list_free(&masks);
    return empty ? lacks_truth(directory, "images in test/1st_manual") : GB_OK;
}

static enum gb_status split_by_halves(const struct directory *directory,
                                      struct gb_list_split *split) {
    GB_TRY(gb_list_split_create(split, directory->names.count));
    for (int i = 0; i < directory->names.count; i++) {
        const enum gb_split half = directory->halves[i];
        split->indices[half][split->count[half]++] = i;
    }
    if (directory->drive && split->count[GB_SPLIT_TEST] == 0)
        return lacks_truth(directory, "test/images");
    for (int half = 0; half < GB_SPLITS; half++)
        if (split->count[half] == 0)
            return gb_fail(GB_BAD_INPUT, what, directory->path, "no image is left for the %s split",
                           gb_split_name((enum gb_split)half));
    return GB_OK;
}

// ---- Reading ----

static enum gb_status read_mask(const char *path, const struct gb_mask_rule *rule,
                                const struct gb_image *image, struct gb_image *mask) {
    enum { HALF = 127 };
    GB_TRY(gb_mask_read(path, rule, mask));
    if (mask->w != image->w || mask->h != image->h)
        return gb_fail(GB_BAD_INPUT, what, path, "%d x %d pixels, but its image has %d x %d%s",
                       mask->w, mask->h, image->w, image->h,
                       mask->w == image->h && mask->h == image->w ? GB_MASK_TURNED : "");
    const size_t count = (size_t)mask->w * (size_t)mask->h;
    for (size_t i = 0; i < count; i++)
        mask->pixels[i] = mask->pixels[i] > HALF ? 255 : 0;
    return GB_OK;
}

// In each row, from the first to the last red pixel that is lit.
static enum gb_status find_field(const struct gb_image *image, const char *path,
                                 struct gb_image *field) {
    GB_TRY(gb_image_create(field, image->w, image->h, 1, 8, path));
    for (int row = 0; row < image->h; row++) {
        const size_t pixel = (size_t)row * (size_t)image->w;
        const unsigned char *red = image->pixels + 3 * pixel;
        int first = 0, end = image->w;
        while (first < end && red[3 * first] <= GB_VESSELS_DARK)
            first++;
        while (end > first && red[3 * (end - 1)] <= GB_VESSELS_DARK)
            end--;
        memset(field->pixels + pixel + first, 255, (size_t)(end - first));
    }
    return GB_OK;
}

struct reading {
    const struct directory *directory;
    const int *indices; // of the split's images
    int count;
    struct gb_vessel_image *images;
};

static enum gb_status read_one(void *argument, int index) {
    const struct reading *reading = argument;
    struct gb_vessel_image *image = &reading->images[index];
    struct files files;
    GB_TRY(find_files(reading->directory, reading->indices[index], &files));
    GB_TRY(gb_image_read(files.paths[IMAGE], 3, &image->image));
    struct gb_image *masks[FILES] = {NULL, &image->vessels, &image->second, &image->field};
    for (int file = VESSELS; file < FILES; file++)
        if (*files.paths[file])
            GB_TRY(read_mask(files.paths[file], &reading->directory->rules[file], &image->image,
                             masks[file]));
    const char *field = files.paths[*files.paths[FIELD] ? FIELD : IMAGE];
    if (!image->field.pixels)
        GB_TRY(find_field(&image->image, field, &image->field));
    if (!memchr(image->field.pixels, 255, (size_t)image->field.w * (size_t)image->field.h))
        return gb_fail(GB_BAD_INPUT, what, field, "the field of view is empty");
    return GB_OK;
}

// The masks of one kind, of both splits.
struct masks {
    const struct directory *directory;
    const struct gb_list_split *split;
    enum file file;
};

static enum gb_status mask_path(const void *context, int index, char path[static GB_PATH]) {
    const struct masks *masks = context;
    const int train = masks->split->count[GB_SPLIT_TRAIN];
    const int image = index < train ? masks->split->indices[GB_SPLIT_TRAIN][index]
                                    : masks->split->indices[GB_SPLIT_TEST][index - train];
    struct files files;
    GB_TRY(find_files(masks->directory, image, &files));
    memcpy(path, files.paths[masks->file], GB_PATH);
    return GB_OK;
}

static enum gb_status survey_masks(struct directory *directory, const struct gb_list_split *split,
                                   const struct gb_source *source) {
    for (int file = VESSELS; file < FILES; file++) {
        const struct masks masks = {directory, split, (enum file)file};
        const struct gb_mask_files files = {
            kinds[file], split->count[GB_SPLIT_TRAIN] + split->count[GB_SPLIT_TEST], mask_path,
            &masks};
        GB_TRY(gb_mask_survey(&files, source, &directory->rules[file]));
    }
    return GB_OK;
}

// Of the vessels inside the field.
static enum gb_status check_masks(const struct reading *reading, enum gb_split side,
                                  const struct gb_source *source) {
    uint64_t foreground = 0, pixels = 0;
    for (int i = 0; i < reading->count; i++) {
        const struct gb_vessel_image *image = &reading->images[i];
        for (int p = 0; p < image->field.w * image->field.h; p++) {
            pixels += image->field.pixels[p] != 0;
            foreground += image->field.pixels[p] && image->vessels.pixels[p];
        }
    }
    return gb_mask_check(kinds[VESSELS], side, source, foreground, pixels);
}

static enum gb_status check_sizes(const struct reading *reading) {
    const struct gb_image *first = &reading->images[0].image;
    for (int i = 0; i < reading->count; i++) {
        const struct gb_image *image = &reading->images[i].image;
        if (image->w == first->w && image->h == first->h)
            continue;
        struct files files;
        GB_TRY(find_files(reading->directory, reading->indices[i], &files));
        return gb_fail(GB_BAD_INPUT, what, files.paths[IMAGE],
                       "%d x %d pixels, but images before it have %d x %d", image->w, image->h,
                       first->w, first->h);
    }
    return GB_OK;
}

static enum gb_status read_split(const struct directory *directory,
                                 const struct gb_list_split *split, enum gb_split side,
                                 const struct gb_source *source, struct gb_dataset *set) {
    const int count = split->count[side];
    struct reading reading = {.directory = directory,
                              .indices = split->indices[side],
                              .count = count,
                              .images = calloc((size_t)count, sizeof *reading.images)};
    if (!reading.images)
        return gb_no_memory(what, directory->path);
    enum gb_status status = gb_parallel_tries(source->threads, count, read_one, &reading);
    if (status == GB_OK)
        status = check_sizes(&reading);
    if (status == GB_OK)
        status = check_masks(&reading, side, source);
    if (status != GB_OK) {
        gb_vessel_images_free(reading.images, count);
        return status;
    }
    GB_TRY(gb_vessels_hold(reading.images, count, side, source, set));
    for (int i = 0; i < count; i++)
        GB_TRY(gb_dataset_name(set, i, directory->names.names[reading.indices[i]]));
    return GB_OK;
}

static enum gb_status load(struct directory *directory, struct gb_list_split *split,
                           const struct gb_source *source, struct gb_dataset splits[]) {
    static const char *const lists[GB_SPLITS] = {"vessels_train.txt", "vessels_test.txt"};
    char training[GB_PATH];
    GB_TRY(gb_path_join(directory->path, "training", training));
    directory->drive = access(training, F_OK) == 0;
    GB_TRY(directory->drive ? find_drive(directory) : find_chase(directory));
    GB_TRY(source->split_directory ? gb_list_split_read(source->split_directory, lists,
                                                        &directory->names, directory->path, split)
                                   : split_by_halves(directory, split));
    GB_TRY(check_truth(directory, split));
    GB_TRY(survey_masks(directory, split, source));
    for (int side = 0; side < GB_SPLITS; side++)
        GB_TRY(read_split(directory, split, (enum gb_split)side, source, &splits[side]));
    return GB_OK;
}

enum gb_status gb_vessels_load(const struct gb_source *source, struct gb_dataset splits[]) {
    struct directory directory = {.path = source->directory};
    struct gb_list_split split = {0};
    gb_splits_clear(splits);
    const enum gb_status status = load(&directory, &split, source, splits);
    gb_list_split_free(&split);
    gb_list_free(&directory.names);
    free(directory.halves);
    return gb_splits_keep(splits, status);
}
