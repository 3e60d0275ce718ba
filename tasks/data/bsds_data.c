// SPDX-License-Identifier: MIT
#include "tasks/data/bsds_data.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/files.h"
#include "base/minmax.h"
#include "tasks/data/lists.h"

const struct gb_bsds_test gb_bsd68 = {"bsd68.txt", 68}, gb_bsd100 = {"bsd100.txt", 100};

static const char cannot_read[] = "cannot read BSDS500";

// Adds "part/NAME" for the names of the list at indices[0..count), or its first `count` (NULL).
static enum gb_status add_names(struct gb_list *names, const char *part, const struct gb_list *list,
                                const int *indices, int count) {
    for (int i = 0; i < count; i++)
        GB_TRY(gb_list_add(names, gb_format("%s/%s", part, list->names[indices ? indices[i] : i]),
                           part));
    return GB_OK;
}

// Adds all that a part of the data set holds.
static enum gb_status add_part(const char *images, const char *part, struct gb_list *names) {
    char directory[GB_PATH];
    struct gb_list held;
    GB_TRY(gb_path_join(images, part, directory));
    GB_TRY(gb_list_directory(directory, ".jpg", &held));
    const enum gb_status status = add_names(names, part, &held, NULL, held.count);
    gb_list_free(&held);
    return status;
}

static enum gb_status add_tested(const char *images, const char *split_directory,
                                 const struct gb_bsds_test *test, struct gb_list *names) {
    char directory[GB_PATH], path[GB_PATH];
    struct gb_list val;
    GB_TRY(gb_path_join(images, "val", directory));
    GB_TRY(gb_list_directory(directory, ".jpg", &val));
    bool *taken = calloc((size_t)val.count, sizeof *taken);
    int *indices = NULL, count = gb_min_int(val.count, test->most);
    enum gb_status status = taken ? GB_OK : gb_no_memory(cannot_read, directory);
    if (status == GB_OK && split_directory) {
        status = gb_path_join(split_directory, test->list, path);
        if (status == GB_OK)
            status = gb_list_choose(path, &val, directory, taken, &indices, &count);
    }
    if (status == GB_OK)
        status = add_names(names, "val", &val, indices, count);
    free(taken);
    free(indices);
    gb_list_free(&val);
    return status;
}

static enum gb_status find_names(const char *images, const char *split_directory,
                                 const struct gb_bsds_test *test, struct gb_list splits[]) {
    GB_TRY(add_part(images, "train", &splits[GB_SPLIT_TRAIN]));
    GB_TRY(add_part(images, "test", &splits[GB_SPLIT_TRAIN]));
    return add_tested(images, split_directory, test, &splits[GB_SPLIT_TEST]);
}

enum gb_status gb_bsds_read(const struct gb_source *source, const struct gb_bsds_test *test,
                            int min_side, struct gb_image_list splits[]) {
    struct gb_list names[GB_SPLITS] = {0};
    char images[GB_PATH];
    for (int split = 0; split < GB_SPLITS; split++)
        splits[split] = (struct gb_image_list){0};
    enum gb_status status = gb_path_join(source->directory, "images", images);
    if (status == GB_OK)
        status = find_names(images, source->split_directory, test, names);
    for (int split = 0; status == GB_OK && split < GB_SPLITS; split++)
        status = gb_image_list_read(images, names[split].names, names[split].count, min_side,
                                    source->threads, &splits[split]);
    for (int split = 0; split < GB_SPLITS; split++) {
        gb_list_free(&names[split]);
        if (status != GB_OK)
            gb_image_list_free(&splits[split]);
    }
    return status;
}
