// SPDX-License-Identifier: MIT
#include "tasks/data/lfw_data.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "kernels/parallel.h"
#include "tasks/data/lists.h"
#include "tasks/images/resize.h"

static const char cannot_read[] = "cannot read faces";

static const char labels_room[] = "parts_lfw_funneled_gt_images";
static const char superpixels_room[] = "parts_lfw_funneled_superpixels_mat";

// What a split is read from: its list, each name "PERSON_NNNN".
struct faces {
    char *directory;
    struct gb_list list;
};

static void free_faces(void *source) {
    struct faces *faces = source;
    gb_list_free(&faces->list);
    free(faces->directory);
    free(faces);
}

// ---- Examples ----

static enum gb_status read_square(const char *path, struct gb_image *image) {
    GB_TRY(gb_image_read(path, 3, image));
    if (image->w == GB_LFW_SIDE && image->h == GB_LFW_SIDE)
        return GB_OK;
    const int w = image->w, h = image->h;
    gb_image_free(image);
    return gb_fail(GB_BAD_INPUT, cannot_read, path, "%d x %d pixels are not %d x %d", w, h,
                   GB_LFW_SIDE, GB_LFW_SIDE);
}

// The part whose channel alone is full; GB_FACE_PARTS where none is.
static int part_of(const unsigned char colour[3]) {
    for (int part = 0; part < GB_FACE_PARTS; part++) {
        int right = 0;
        for (int c = 0; c < 3; c++)
            right += colour[c] == (c == part ? UINT8_MAX : 0);
        if (right == 3)
            return part;
    }
    return GB_FACE_PARTS;
}

// Colours to parts, one channel.
static enum gb_status read_label(const char *path, struct gb_image *parts) {
    struct gb_image colours = {0};
    GB_TRY(read_square(path, &colours));
    enum gb_status status = gb_image_create(parts, colours.w, colours.h, 1, 8, path);
    for (int i = 0; status == GB_OK && i < colours.w * colours.h; i++) {
        const unsigned char *colour = colours.pixels + 3 * i;
        parts->pixels[i] = (unsigned char)part_of(colour);
        if (parts->pixels[i] == GB_FACE_PARTS)
            status = gb_fail(GB_BAD_INPUT, cannot_read, path,
                             "the pixel in column %d, row %d is (%d, %d, %d): neither red (hair), "
                             "green (face) nor blue (background)",
                             i % colours.w, i / colours.w, colour[0], colour[1], colour[2]);
    }
    gb_image_free(&colours);
    return status;
}

static enum gb_status resize_parts(const struct gb_image *parts, const struct gb_tensor *y) {
    struct gb_image resized;
    GB_TRY(gb_resize_labels(parts, y->h, y->w, &resized));
    float *part = y->data;
    for (int i = 0; i < y->h * y->w; i++)
        part[i] = resized.pixels[i];
    gb_image_free(&resized);
    return GB_OK;
}

static enum gb_status read_example(const char *image_path, const char *label_path,
                                   const struct gb_example *example) {
    struct gb_image image = {0}, parts = {0};
    enum gb_status status = read_square(image_path, &image);
    if (status == GB_OK)
        status = read_label(label_path, &parts);
    if (status == GB_OK)
        status = gb_resize(&image, GB_BILINEAR, example->x.h, example->x.w, example->x.data);
    if (status == GB_OK)
        status = resize_parts(&parts, &example->y);
    gb_image_free(&image);
    gb_image_free(&parts);
    return status;
}

// DIR/ROOM/PERSON/PERSON_NNNN.SUFFIX; NULL where memory is short.
static char *path_by_person(const struct faces *faces, int index, const char *room,
                            const char *suffix) {
    const char *name = faces->list.names[index];
    const int person = (int)(strrchr(name, '_') - name);
    return gb_format("%s/%s/%.*s/%s%s", faces->directory, room, person, name, name, suffix);
}

static enum gb_status fill(const struct gb_dataset *set, int index, const struct gb_random_key *key,
                           const struct gb_example *example) {
    (void)key;
    const struct faces *faces = set->source;
    const char *name = faces->list.names[index];
    char *image_path = path_by_person(faces, index, "lfw_funneled", ".jpg");
    char *label_path = gb_format("%s/%s/%s.ppm", faces->directory, labels_room, name);
    const enum gb_status status = image_path && label_path
                                      ? read_example(image_path, label_path, example)
                                      : gb_no_memory(cannot_read, name);
    free(image_path);
    free(label_path);
    return status;
}

enum gb_status gb_lfw_superpixels(const struct gb_dataset *origin, int index,
                                  struct gb_superpixels *superpixels) {
    *superpixels = (struct gb_superpixels){0};
    if (origin->fill != fill)
        return GB_OK;
    const struct faces *faces = origin->source;
    char room[GB_PATH];
    GB_TRY(gb_path_join(faces->directory, superpixels_room, room));
    if (access(room, F_OK) != 0)
        return GB_OK;
    char *path = path_by_person(faces, index, superpixels_room, ".dat");
    const enum gb_status status =
        path ? gb_superpixels_read(path, GB_LFW_SIDE, GB_LFW_SIDE, superpixels)
             : gb_no_memory(cannot_read, faces->directory);
    free(path);
    return status;
}

static enum gb_status check_superpixels(void *argument, int index) {
    struct gb_superpixels superpixels;
    GB_TRY(gb_lfw_superpixels(argument, index, &superpixels));
    gb_superpixels_free(&superpixels);
    return GB_OK;
}

// ---- Lists ----

// "PERSON 1" to "PERSON_0001.ppm" instead of it.
static enum gb_status to_file(const struct gb_list *list, int index, const char *path) {
    char **line = &list->names[index], *end;
    const size_t person = strcspn(*line, " \t");
    const long number = strtol(*line + person, &end, 10);
    if (person == 0 || end == *line + person || *end || number < 0 || number > 9999)
        return gb_fail(GB_BAD_INPUT, cannot_read, path,
                       "line %d: \"%s\" is not a person and a number", list->lines[index], *line);
    char *file = gb_format("%.*s_%04ld.ppm", (int)person, *line, number);
    if (!file)
        return gb_no_memory(cannot_read, path);
    free(*line);
    *line = file;
    return GB_OK;
}

// The list's names as those of files without suffix; each has a label and is not taken yet.
static enum gb_status check_list(struct gb_list *list, const char *path,
                                 const struct gb_list *labels, bool *taken) {
    for (int i = 0; i < list->count; i++)
        GB_TRY(to_file(list, i, path));
    int *indices = calloc((size_t)list->count, sizeof *indices);
    if (!indices)
        return gb_no_memory(cannot_read, path);
    const enum gb_status status = gb_list_indices(list, path, labels, labels_room, taken, indices);
    free(indices);
    for (int i = 0; i < list->count; i++)
        *strrchr(list->names[i], '.') = 0;
    return status;
}

static enum gb_status read_list(const struct gb_source *source, enum gb_split split,
                                const struct gb_list *labels, bool *taken, struct gb_list *list) {
    static const char *const names[GB_SPLITS] = {"parts_train.txt", "parts_test.txt"};
    char path[GB_PATH];
    GB_TRY(gb_path_join(source->split_directory ? source->split_directory : source->directory,
                        names[split], path));
    GB_TRY(gb_list_read(path, list));
    return check_list(list, path, labels, taken);
}

static enum gb_status load_split(const struct gb_source *source, enum gb_split split,
                                 const struct gb_list *labels, bool *taken,
                                 struct gb_dataset *set) {
    struct faces *faces = calloc(1, sizeof *faces);
    if (!faces)
        return gb_no_memory(cannot_read, source->directory);
    const struct gb_example_shape shape = gb_lfw_shape(source->size);
    faces->directory = strdup(source->directory);
    enum gb_status status = faces->directory ? read_list(source, split, labels, taken, &faces->list)
                                             : gb_no_memory(cannot_read, source->directory);
    if (status == GB_OK)
        status = gb_dataset_create(set, faces->list.count, &shape);
    if (status != GB_OK) {
        free_faces(faces);
        return status;
    }
    set->source = faces;
    set->free_source = free_faces;
    set->fill = fill;
    for (int i = 0; i < set->count; i++)
        GB_TRY(gb_dataset_name(set, i, faces->list.names[i]));
    // A score must not fail for want of them after hours of training.
    if (split == GB_SPLIT_TEST)
        GB_TRY(gb_parallel_tries(source->threads, set->count, check_superpixels, set));
    return gb_dataset_keep(set, source->threads);
}

enum gb_status gb_lfw_load(const struct gb_source *source, struct gb_dataset splits[]) {
    gb_splits_clear(splits);
    char room[GB_PATH];
    struct gb_list labels;
    GB_TRY(gb_path_join(source->directory, labels_room, room));
    enum gb_status status = gb_list_directory(room, ".ppm", &labels);
    bool *taken = calloc((size_t)labels.count + 1, sizeof *taken);
    if (status == GB_OK && !taken)
        status = gb_no_memory(cannot_read, source->directory);
    for (int split = 0; status == GB_OK && split < GB_SPLITS; split++)
        status = load_split(source, (enum gb_split)split, &labels, taken, &splits[split]);
    free(taken);
    gb_list_free(&labels);
    return gb_splits_keep(splits, status);
}
