// SPDX-License-Identifier: MIT
#include "tasks/data/image_list.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "base/hash.h"
#include "kernels/parallel.h"
#include "tasks/images/resize.h"

static const char cannot_read[] = "cannot read images";

enum gb_status gb_image_list_create(struct gb_image_list *list, int count) {
    *list = (struct gb_image_list){.count = count};
    list->images = calloc((size_t)count, sizeof *list->images);
    list->names = calloc((size_t)count, sizeof *list->names);
    if (list->images && list->names)
        return GB_OK;
    free(list->images);
    free(list->names);
    *list = (struct gb_image_list){0};
    return gb_fail(GB_OUT_OF_MEMORY, "cannot hold images", "list", "no memory for %d", count);
}

enum gb_status gb_image_list_extend(struct gb_image_list *list, int more) {
    struct gb_image_list all;
    const size_t count = (size_t)list->count;
    GB_TRY(gb_image_list_create(&all, list->count + more));
    if (count > 0) {
        memcpy(all.images, list->images, count * sizeof *all.images);
        memcpy(all.names, list->names, count * sizeof *all.names);
    }
    free(list->images);
    free(list->names);
    *list = all;
    return GB_OK;
}

void gb_image_list_free(struct gb_image_list *list) {
    for (int i = 0; i < list->count; i++) {
        gb_image_free(&list->images[i]);
        free(list->names[i]);
    }
    free(list->images);
    free(list->names);
    *list = (struct gb_image_list){0};
}

struct reading {
    const char *directory;
    char *const *names;
    int min_side;
    struct gb_image_list *list;
};

static enum gb_status read_one(void *argument, int index) {
    const struct reading *reading = argument;
    struct gb_image *image = &reading->list->images[index];
    char path[GB_PATH];
    const char *name = reading->list->names[index] = strdup(reading->names[index]);
    if (!name)
        return gb_no_memory(cannot_read, reading->directory);
    GB_TRY(gb_path_join(reading->directory, name, path));
    GB_TRY(gb_image_read(path, 3, image));
    if (image->w < reading->min_side || image->h < reading->min_side)
        return gb_fail(GB_BAD_INPUT, cannot_read, path,
                       "%d x %d pixels, and each side must have %d at least", image->w, image->h,
                       reading->min_side);
    return GB_OK;
}

enum gb_status gb_image_list_read(const char *directory, char *const *names, int count,
                                  int min_side, int threads, struct gb_image_list *list) {
    GB_TRY(gb_image_list_create(list, count));
    struct reading reading = {directory, names, min_side, list};
    const enum gb_status status = gb_parallel_tries(threads, count, read_one, &reading);
    if (status != GB_OK)
        gb_image_list_free(list);
    return status;
}

uint64_t gb_image_list_hash(const struct gb_image_list *list) {
    uint64_t hash = GB_HASH_BASIS;
    for (int i = 0; i < list->count; i++) {
        const struct gb_image *image = &list->images[i];
        const int sizes[] = {image->w, image->h};
        hash = gb_hash_bytes(hash, sizes, sizeof sizes);
        hash = gb_hash_bytes(hash, image->pixels, (size_t)image->w * (size_t)image->h * 3);
    }
    return hash;
}

// A square of an image, mirrored or not each way.
struct square {
    int x, y;
    bool mirror_x, mirror_y;
};

static struct square choose(const struct gb_image *source, const struct gb_patch_rule *rule,
                            const struct gb_random_key *key) {
    // How many places there are each way.
    const int columns = source->w - rule->crop + 1, rows = source->h - rule->crop + 1;
    assert(columns >= 1 && rows >= 1);
    if (!rule->random)
        return (struct square){.x = (columns - 1) / 2, .y = (rows - 1) / 2};
    struct gb_random_key place = *key;
    place.purpose = GB_RANDOM_AUGMENT;
    // In double the products stay below the number of places.
    return (struct square){.x = (int)((double)gb_random_uniform(&place, 0) * columns),
                           .y = (int)((double)gb_random_uniform(&place, 1) * rows),
                           .mirror_x = gb_random_uniform(&place, 2) < 0.5f,
                           .mirror_y = gb_random_uniform(&place, 3) < 0.5f};
}

static void cut(const struct gb_image *source, const struct square *square,
                struct gb_image *patch) {
    const int side = patch->w;
    unsigned char *to = patch->pixels;
    for (int y = 0; y < side; y++) {
        const int row = square->y + (square->mirror_y ? side - 1 - y : y);
        const unsigned char *from =
            source->pixels + ((size_t)row * (size_t)source->w + (size_t)square->x) * 3;
        for (int x = 0; x < side; x++, to += 3)
            memcpy(to, from + 3 * (square->mirror_x ? side - 1 - x : x), 3);
    }
}

enum gb_status gb_patch_take(const struct gb_image *source, const struct gb_patch_rule *rule,
                             const struct gb_random_key *key, float *patch) {
    assert(source->c == 3 && source->bits == 8);
    const struct square square = choose(source, rule, key);
    struct gb_image image;
    GB_TRY(gb_image_create(&image, rule->crop, rule->crop, 3, 8, "patch"));
    cut(source, &square, &image);
    const enum gb_status status = gb_resize(&image, GB_BICUBIC, rule->size, rule->size, patch);
    gb_image_free(&image);
    return status;
}
