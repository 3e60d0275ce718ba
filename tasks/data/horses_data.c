// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // asprintf
#include "tasks/data/horses_data.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "kernels/parallel.h"
#include "tasks/data/randomness.h"
#include "tasks/images/image.h"
#include "tasks/images/resize.h"

// The brightest channel of rgb/horse318.jpg is 2, that of the next darkest photograph 235.
enum { BLACK = 15 };

static const char *const list_names[GB_SPLITS] = {"horses_train.txt", "horses_test.txt"};

// The images of the folder and what becomes of them.
struct horses {
    const struct gb_task_source *source;
    int count;
    char **names;           // in byte order
    struct gb_dataset all;  // by place in `names`
    bool *wanted;           // by place: a list names it, or there are no lists
    bool *black;            // by place
    enum gb_status *read;   // by place
    int *places[GB_SPLITS]; // the places of each split's examples, in order
    int split_count[GB_SPLITS];
};

static void horses_free(struct horses *horses) {
    for (int i = 0; i < horses->count; i++)
        free(horses->names[i]);
    free(horses->names);
    gb_dataset_free(&horses->all);
    free(horses->wanted);
    free(horses->black);
    free(horses->read);
    for (int split = 0; split < GB_SPLITS; split++)
        free(horses->places[split]);
}

static enum gb_status no_memory(const char *where) {
    return gb_fail(GB_OUT_OF_MEMORY, "cannot read horses", where, "out of memory");
}

// "folder/room/name"; NULL where memory is short.
static char *join(const char *folder, const char *room, const char *name) {
    char *path;
    return asprintf(&path, "%s/%s/%s", folder, room, name) < 0 ? NULL : path;
}

static int is_jpg(const struct dirent *entry) {
    const char *dot = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && dot && strcasecmp(dot, ".jpg") == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

// How many JPEG files `room` of the folder holds, with their entries; the caller frees them.
static enum gb_status list_room(const char *folder, const char *room, struct dirent ***entries,
                                int *count) {
    char *path = join(folder, room, "");
    if (!path)
        return no_memory(folder);
    *count = scandir(path, entries, is_jpg, by_bytes);
    enum gb_status status = GB_OK;
    if (*count < 0)
        status = gb_fail(GB_BAD_INPUT, "cannot read horses", path, "%s", strerror(errno));
    else if (*count == 0)
        status = gb_fail(GB_BAD_INPUT, "cannot read horses", path, "holds no .jpg file");
    if (*count == 0)
        free(*entries);
    free(path);
    return status;
}

static void free_entries(struct dirent **entries, int count) {
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
}

static enum gb_status find_names(struct horses *horses) {
    struct dirent **entries;
    int count;
    // The masks are looked for by name later; here only a folder that cannot be theirs is refused.
    GB_TRY(list_room(horses->source->folder, "figure_ground", &entries, &count));
    free_entries(entries, count);
    GB_TRY(list_room(horses->source->folder, "rgb", &entries, &count));
    horses->names = calloc((size_t)count, sizeof *horses->names);
    horses->wanted = calloc((size_t)count, sizeof *horses->wanted);
    horses->black = calloc((size_t)count, sizeof *horses->black);
    horses->read = calloc((size_t)count, sizeof *horses->read);
    for (int split = 0; split < GB_SPLITS; split++)
        horses->places[split] = calloc((size_t)count, sizeof *horses->places[split]);
    bool whole = horses->names && horses->wanted && horses->black && horses->read &&
                 horses->places[GB_SPLIT_TRAIN] && horses->places[GB_SPLIT_TEST];
    for (int i = 0; whole && i < count; i++) {
        horses->names[i] = strdup(entries[i]->d_name);
        whole = horses->names[i] != NULL;
        horses->count = i + 1;
    }
    free_entries(entries, count);
    return whole ? GB_OK : no_memory(horses->source->folder);
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum gb_status take_line(struct horses *horses, enum gb_split split, const char *list,
                                int line_number, const char *name) {
    char **found =
        bsearch(&name, horses->names, (size_t)horses->count, sizeof *horses->names, compare_names);
    if (!found)
        return gb_fail(GB_BAD_INPUT, "cannot read horses", list, "line %d: %s/rgb has no %s",
                       line_number, horses->source->folder, name);
    int place = (int)(found - horses->names);
    if (horses->wanted[place])
        return gb_fail(GB_BAD_INPUT, "cannot read horses", list,
                       "line %d: %s is named twice, here or in %s", line_number, name,
                       list_names[GB_SPLIT_TRAIN]);
    horses->wanted[place] = true;
    horses->places[split][horses->split_count[split]++] = place;
    return GB_OK;
}

static enum gb_status read_list(struct horses *horses, enum gb_split split, const char *list) {
    FILE *stream = fopen(list, "r");
    if (!stream)
        return gb_fail(GB_BAD_INPUT, "cannot read horses", list, "%s", strerror(errno));
    enum gb_status status = GB_OK;
    char *line = NULL;
    size_t room = 0;
    for (int number = 1; status == GB_OK && getline(&line, &room, stream) >= 0; number++) {
        line[strcspn(line, "\r\n")] = 0;
        if (*line)
            status = take_line(horses, split, list, number, line);
    }
    if (status == GB_OK && ferror(stream))
        status = gb_fail(GB_BAD_INPUT, "cannot read horses", list, "%s", strerror(errno));
    free(line);
    fclose(stream);
    if (status == GB_OK && horses->split_count[split] == 0)
        status = gb_fail(GB_BAD_INPUT, "cannot read horses", list, "names no file");
    return status;
}

static enum gb_status read_lists(struct horses *horses) {
    for (int split = 0; split < GB_SPLITS; split++) {
        char *list;
        if (asprintf(&list, "%s/%s", horses->source->split_folder, list_names[split]) < 0)
            return no_memory(horses->source->split_folder);
        enum gb_status status = read_list(horses, split, list);
        free(list);
        GB_TRY(status);
    }
    return GB_OK;
}

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

static enum gb_status fill_example(struct horses *horses, int place, const struct gb_image *image,
                                   const struct gb_image *mask) {
    int size = horses->source->size;
    float *y = gb_at(&horses->all.y, place, 0, 0);
    GB_TRY(gb_resize(image, GB_BILINEAR, size, size, gb_at(&horses->all.x, place, 0, 0)));
    GB_TRY(gb_resize(mask, GB_BILINEAR, size, size, y));
    for (int i = 0; i < size * size; i++)
        y[i] = y[i] * 255.0f > 127.0f ? 1.0f : 0.0f;
    horses->black[place] = is_black(image);
    return GB_OK;
}

static enum gb_status read_pair(struct horses *horses, int place) {
    const char *folder = horses->source->folder, *name = horses->names[place];
    char *image_path = join(folder, "rgb", name), *mask_path = join(folder, "figure_ground", name);
    struct gb_image image = {0}, mask = {0};
    enum gb_status status = image_path && mask_path ? GB_OK : no_memory(name);
    if (status == GB_OK)
        status = gb_image_read(image_path, 3, &image);
    if (status == GB_OK)
        status = gb_image_read(mask_path, 1, &mask);
    if (status == GB_OK)
        status = check_aspect(&image, &mask, mask_path);
    if (status == GB_OK)
        status = fill_example(horses, place, &image, &mask);
    gb_image_free(&image);
    gb_image_free(&mask);
    free(image_path);
    free(mask_path);
    return status;
}

static void read_job(void *argument, int place, int rank) {
    (void)rank;
    struct horses *horses = argument;
    if (horses->wanted[place])
        horses->read[place] = read_pair(horses, place);
}

static enum gb_status read_pairs(struct horses *horses) {
    int size = horses->source->size;
    GB_TRY(gb_dataset_create(&horses->all, horses->count, size, size, 3, size, size, 1));
    gb_parallel_jobs(horses->source->threads, horses->count, read_job, horses);
    for (int i = 0; i < horses->count; i++) {
        // The message of a failure stayed with the thread that met it: meet it here again.
        if (horses->read[i] != GB_OK)
            GB_TRY(read_pair(horses, i));
        GB_TRY(gb_dataset_name(&horses->all, i, horses->names[i]));
    }
    return GB_OK;
}

static int compare_places(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

static enum gb_status split_by_seed(struct horses *horses) {
    int *order = calloc((size_t)horses->count, sizeof *order);
    if (!order)
        return no_memory(horses->source->folder);
    int usable = 0;
    for (int place = 0; place < horses->count; place++)
        if (!horses->black[place])
            order[usable++] = place;
    const struct gb_random_key key = {.seed = GB_HORSES_SPLIT_SEED, .purpose = GB_RANDOM_SPLIT};
    gb_shuffle(&key, order, usable);
    int train = usable >= 300 ? GB_HORSES_TRAIN : usable - usable / 3;
    horses->split_count[GB_SPLIT_TRAIN] = train;
    horses->split_count[GB_SPLIT_TEST] = usable - train;
    for (int split = 0, first = 0; split < GB_SPLITS; split++) {
        int count = horses->split_count[split];
        memcpy(horses->places[split], order + first, (size_t)count * sizeof *order);
        qsort(horses->places[split], (size_t)count, sizeof *order, compare_places);
        first += count;
    }
    free(order);
    return GB_OK;
}

static enum gb_status hand_over(struct horses *horses, enum gb_split split,
                                struct gb_dataset *dataset) {
    int *places = horses->places[split], count = 0;
    for (int i = 0; i < horses->split_count[split]; i++)
        if (!horses->black[places[i]])
            places[count++] = places[i];
    if (count == 0)
        return gb_fail(GB_BAD_INPUT, "cannot read horses", horses->source->folder,
                       "no usable image is left for the %s split", gb_split_name(split));
    return gb_dataset_select(dataset, &horses->all, places, count);
}

static enum gb_status load(struct horses *horses, struct gb_dataset splits[]) {
    GB_TRY(find_names(horses));
    if (horses->source->split_folder)
        GB_TRY(read_lists(horses));
    else
        memset(horses->wanted, true, (size_t)horses->count);
    GB_TRY(read_pairs(horses));
    if (!horses->source->split_folder)
        GB_TRY(split_by_seed(horses));
    for (int split = 0; split < GB_SPLITS; split++)
        GB_TRY(hand_over(horses, split, &splits[split]));
    return GB_OK;
}

enum gb_status gb_horses_load(const struct gb_task_source *source, struct gb_dataset splits[]) {
    for (int split = 0; split < GB_SPLITS; split++)
        splits[split] = (struct gb_dataset){0};
    struct horses horses = {.source = source};
    enum gb_status status = load(&horses, splits);
    horses_free(&horses);
    for (int split = 0; status != GB_OK && split < GB_SPLITS; split++)
        gb_dataset_free(&splits[split]);
    return status;
}
