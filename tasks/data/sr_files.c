// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // strchrnul
#include "tasks/data/sr_files.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/files.h"
#include "tasks/data/bsds_data.h"
#include "tasks/data/lists.h"
#include "tasks/data/npz.h"

static const char what[] = "cannot read images";

struct reading {
    const struct gb_source *source;
    struct gb_image_list *splits; // so far
};

// Moves an image; its name gets the prefix.
static enum gb_status move(struct gb_image_list *from, int i, const char *prefix,
                           struct gb_image_list *to, int j) {
    to->names[j] = gb_format("%s%s", prefix, from->names[i]);
    if (!to->names[j])
        return gb_no_memory(what, prefix);
    to->images[j] = from->images[i];
    from->images[i] = (struct gb_image){0};
    return GB_OK;
}

static bool holds_set(const struct gb_image_list *list, const char *prefix) {
    for (int i = 0; i < list->count; i++)
        if (strncmp(list->names[i], prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

// Appends all of `more` to a split. A test set that is already there would count twice.
static enum gb_status append(struct reading *reading, enum gb_split split,
                             struct gb_image_list *more, const char *prefix) {
    struct gb_image_list *all = &reading->splits[split];
    const int first = all->count;
    if (split == GB_SPLIT_TEST && more->count > 0 && holds_set(all, prefix)) {
        gb_image_list_free(more);
        return gb_fail(GB_BAD_INPUT, what, reading->source->directory,
                       "the test set %.*s is in two of its directories", (int)strlen(prefix) - 1,
                       prefix);
    }
    enum gb_status status = gb_image_list_extend(all, more->count);
    for (int i = 0; status == GB_OK && i < more->count; i++)
        status = move(more, i, prefix, all, first + i);
    gb_image_list_free(more);
    return status;
}

// ---- Directories of images ----

static bool exists(const char *path) {
    struct stat status;
    return stat(path, &status) == 0;
}

static bool is_image(const char *name) {
    static const char *const endings[] = {".png", ".jpg", ".jpeg", ".ppm", ".pgm",
                                          ".pnm", ".tif", ".tiff", ".gif"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(dot, endings[i]) == 0)
            return true;
    return false;
}

// Training images may be held out for testing.
static int min_side(const struct reading *reading, enum gb_split split) {
    const int patch = split == GB_SPLIT_TRAIN ? reading->source->size : 0;
    return patch > GB_SR_LEAST_SIDE ? patch : GB_SR_LEAST_SIDE;
}

static enum gb_status read_names(struct reading *reading, enum gb_split split,
                                 const char *directory, char *const *names, int count,
                                 const char *prefix) {
    struct gb_image_list more;
    GB_TRY(gb_image_list_read(directory, names, count, min_side(reading, split),
                              reading->source->threads, &more));
    return append(reading, split, &more, prefix);
}

// Reads the images among the entries of a directory, if there are any.
static enum gb_status read_entries(struct reading *reading, enum gb_split split,
                                   const char *directory, const struct gb_list *entries,
                                   const char *prefix) {
    char **names = calloc((size_t)entries->count, sizeof *names);
    if (!names)
        return gb_no_memory(what, directory);
    int count = 0;
    for (int i = 0; i < entries->count; i++)
        if (is_image(entries->names[i]))
            names[count++] = entries->names[i];
    const enum gb_status status =
        count ? read_names(reading, split, directory, names, count, prefix) : GB_OK;
    free(names);
    return status;
}

static enum gb_status read_images(struct reading *reading, enum gb_split split,
                                  const char *directory, const char *prefix) {
    struct gb_list entries;
    GB_TRY(gb_list_directory(directory, "", &entries));
    const enum gb_status status = read_entries(reading, split, directory, &entries, prefix);
    gb_list_free(&entries);
    return status;
}

// ---- Published layouts ----

// Called for a directory, or for each of its directories.
typedef enum gb_status (*visit_fn)(struct reading *reading, const char *directory,
                                   const char *name);

static enum gb_status visit_directories(struct reading *reading, const char *directory,
                                        visit_fn visit) {
    struct gb_list entries;
    GB_TRY(gb_list_directory(directory, "", &entries));
    enum gb_status status = GB_OK;
    for (int i = 0; status == GB_OK && i < entries.count; i++) {
        char path[GB_PATH];
        status = gb_path_join(directory, entries.names[i], path);
        if (status == GB_OK && gb_is_directory(path))
            status = visit(reading, path, entries.names[i]);
    }
    gb_list_free(&entries);
    return status;
}

static enum gb_status read_bsds500(struct reading *reading, const char *directory) {
    static const char *const prefixes[GB_SPLITS] = {"", "BSD100/"};
    char train[GB_PATH];
    GB_TRY(gb_path_join(directory, "images/train", train));
    if (!gb_is_directory(train))
        return GB_OK;
    struct gb_source source = *reading->source;
    source.directory = directory;
    struct gb_image_list more[GB_SPLITS];
    GB_TRY(gb_bsds_read(&source, &gb_bsd100, min_side(reading, GB_SPLIT_TRAIN), more));
    enum gb_status status = GB_OK;
    for (int split = 0; split < GB_SPLITS; split++) {
        if (status == GB_OK)
            status = append(reading, split, &more[split], prefixes[split]);
        gb_image_list_free(&more[split]);
    }
    return status;
}

static enum gb_status read_test_sets(struct reading *reading, const char *directory) {
    static const char *const sets[] = {"Set5", "Set14", "BSD100"};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        char path[GB_PATH], prefix[16];
        GB_TRY(gb_path_join(directory, sets[i], path));
        snprintf(prefix, sizeof prefix, "%s/", sets[i]);
        if (gb_is_directory(path))
            GB_TRY(read_images(reading, GB_SPLIT_TEST, path, prefix));
    }
    return GB_OK;
}

// An image stored as three planes.
static enum gb_status unpack_image(const unsigned char *planes, int side, const char *path,
                                   struct gb_image *image) {
    GB_TRY(gb_image_create(image, side, side, 3, 8, path));
    const int pixels = side * side;
    for (int i = 0; i < pixels; i++)
        for (int c = 0; c < 3; c++)
            image->pixels[i * 3 + c] = planes[c * pixels + i];
    return GB_OK;
}

// Every `every`th row, from the first on.
static enum gb_status unpack_rows(const struct gb_byte_matrix *rows, int side, int every,
                                  const char *path, struct gb_image_list *images) {
    GB_TRY(gb_image_list_create(images, ((int)rows->rows + every - 1) / every));
    enum gb_status status = GB_OK;
    for (int i = 0; status == GB_OK && i < images->count; i++) {
        const size_t row = (size_t)i * (size_t)every;
        images->names[i] = gb_format("%07zu", row);
        status = images->names[i] ? unpack_image(rows->values + row * rows->columns, side, path,
                                                 &images->images[i])
                                  : gb_no_memory(what, path);
    }
    if (status != GB_OK)
        gb_image_list_free(images);
    return status;
}

static enum gb_status read_archive(struct reading *reading, enum gb_split split, const char *path,
                                   const char *prefix) {
    struct gb_byte_matrix rows;
    GB_TRY(gb_npz_read(path, "data", &rows));
    const int least = min_side(reading, split);
    const int side = rows.columns <= INT_MAX ? (int)lrint(sqrt((double)rows.columns / 3)) : 0;
    const int every =
        split == GB_SPLIT_TEST ? (int)((rows.rows + GB_SR_MAX_TESTED - 1) / GB_SR_MAX_TESTED) : 1;
    struct gb_image_list images = {0};
    enum gb_status status;
    if (rows.rows > INT_MAX / 2 || 3 * (size_t)side * (size_t)side != rows.columns)
        status = gb_fail(GB_BAD_INPUT, what, path, "%zu rows of %zu bytes are not square images",
                         rows.rows, rows.columns);
    else if (side < least)
        status = gb_fail(GB_BAD_INPUT, what, path, "images of %d x %d pixels, where %d are needed",
                         side, side, least);
    else
        status = unpack_rows(&rows, side, every, path, &images);
    gb_byte_matrix_free(&rows);
    return status == GB_OK ? append(reading, split, &images, prefix) : status;
}

static enum gb_status read_imagenet(struct reading *reading, const char *directory) {
    enum { BATCHES = 10 };
    char path[GB_PATH];
    for (int batch = 1; batch <= BATCHES; batch++) {
        char name[32], prefix[16];
        snprintf(name, sizeof name, "train_data_batch_%d.npz", batch);
        snprintf(prefix, sizeof prefix, "batch %d/", batch);
        GB_TRY(gb_path_join(directory, name, path));
        if (exists(path))
            GB_TRY(read_archive(reading, GB_SPLIT_TRAIN, path, prefix));
    }
    GB_TRY(gb_path_join(directory, "val_data.npz", path));
    return exists(path) ? read_archive(reading, GB_SPLIT_TEST, path, "ImageNet/") : GB_OK;
}

static enum gb_status read_layouts(struct reading *reading, const char *directory,
                                   const char *name) {
    (void)name;
    GB_TRY(read_bsds500(reading, directory));
    GB_TRY(read_test_sets(reading, directory));
    return read_imagenet(reading, directory);
}

static enum gb_status read_to_train(struct reading *reading, const char *directory,
                                    const char *name) {
    char prefix[GB_PATH];
    snprintf(prefix, sizeof prefix, "%s/", name);
    return read_images(reading, GB_SPLIT_TRAIN, directory, prefix);
}

static int count_all(const struct reading *reading) {
    return reading->splits[GB_SPLIT_TRAIN].count + reading->splits[GB_SPLIT_TEST].count;
}

static enum gb_status read_root(struct reading *reading, const char *root) {
    const int before = count_all(reading);
    GB_TRY(read_layouts(reading, root, ""));
    if (count_all(reading) == before)
        GB_TRY(visit_directories(reading, root, read_layouts));
    if (count_all(reading) == before) {
        GB_TRY(read_images(reading, GB_SPLIT_TRAIN, root, ""));
        GB_TRY(visit_directories(reading, root, read_to_train));
    }
    if (count_all(reading) == before)
        return gb_fail(GB_BAD_INPUT, what, root, "holds no images");
    return GB_OK;
}

static enum gb_status read_roots(struct reading *reading, const char *roots) {
    if (gb_is_directory(roots)) // whatever its name
        return read_root(reading, roots);
    char *root;
    for (const char *at = roots; *at; at += strcspn(at, ":"), at += *at == ':') {
        if (!(root = strndup(at, strcspn(at, ":"))))
            return gb_no_memory(what, roots);
        const enum gb_status status = read_root(reading, root);
        free(root);
        GB_TRY(status);
    }
    return GB_OK;
}

// ---- Splits ----

// Moves every tenth training image to the test split.
static enum gb_status hold_out(struct reading *reading) {
    enum { HOLD_OUT = 10 };
    struct gb_image_list *all = &reading->splits[GB_SPLIT_TRAIN], parts[GB_SPLITS] = {0};
    int every = (all->count + GB_SR_MAX_TESTED - 1) / GB_SR_MAX_TESTED;
    every = every > HOLD_OUT ? every : all->count < HOLD_OUT ? all->count : HOLD_OUT;
    const int counts[GB_SPLITS] = {all->count - all->count / every, all->count / every};
    enum gb_status status = GB_OK;
    for (int split = 0; status == GB_OK && split < GB_SPLITS; split++)
        status = gb_image_list_create(&parts[split], counts[split]);
    for (int i = 0, used[GB_SPLITS] = {0}; status == GB_OK && i < all->count; i++) {
        const bool tests = i % every == every - 1;
        const enum gb_split split = tests ? GB_SPLIT_TEST : GB_SPLIT_TRAIN;
        status = move(all, i, tests ? "held-out/" : "", &parts[split], used[split]++);
    }
    gb_image_list_free(all);
    for (int split = 0; split < GB_SPLITS; split++)
        reading->splits[split] = parts[split];
    return status;
}

static enum gb_status read_all(struct reading *reading) {
    const char *directory = reading->source->directory;
    GB_TRY(read_roots(reading, directory));
    if (reading->splits[GB_SPLIT_TEST].count > 0)
        return GB_OK;
    if (reading->splits[GB_SPLIT_TRAIN].count < 2)
        return gb_fail(GB_BAD_INPUT, what, directory, "one image cannot both train and test");
    return hold_out(reading);
}

enum gb_status gb_sr_read(const struct gb_source *source, struct gb_image_list splits[]) {
    struct reading reading = {source, splits};
    for (int split = 0; split < GB_SPLITS; split++)
        splits[split] = (struct gb_image_list){0};
    const enum gb_status status = read_all(&reading);
    for (int split = 0; status != GB_OK && split < GB_SPLITS; split++)
        gb_image_list_free(&splits[split]);
    return status;
}
