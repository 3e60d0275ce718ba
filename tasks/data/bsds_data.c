// SPDX-License-Identifier: MIT
#include "tasks/data/bsds_data.h"

#include "base/files.h"
#include "base/minmax.h"
#include "tasks/data/lists.h"

const struct gb_bsds_test gb_bsd68 = {"bsd68.txt", 68}, gb_bsd100 = {"bsd100.txt", 100};

// Adds "part/NAME" for all that a part of the data set holds, or for those that the list in
// `lists_directory` (NULL: none) names or else the first of them.
static enum gb_status add_part(const char *images, const char *part, const char *lists_directory,
                               const struct gb_bsds_test *test, struct gb_list *names) {
    char directory[GB_PATH];
    struct gb_list held;
    struct gb_list_split chosen = {0};
    GB_TRY(gb_path_join(images, part, directory));
    GB_TRY(gb_list_directory(directory, GB_IMAGE_ENDINGS, &held));
    int count = test ? gb_min_int(held.count, test->most) : held.count;
    enum gb_status status = GB_OK;
    if (lists_directory) {
        const char *const lists[GB_SPLITS] = {[GB_SPLIT_TEST] = test->list};
        status = gb_list_split_read(lists_directory, lists, &held, directory, &chosen);
        count = chosen.count[GB_SPLIT_TEST];
    }
    for (int i = 0; status == GB_OK && i < count; i++) {
        const int index = lists_directory ? chosen.indices[GB_SPLIT_TEST][i] : i;
        status = gb_list_add(names, gb_format("%s/%s", part, held.names[index]), part);
    }
    gb_list_split_free(&chosen);
    gb_list_free(&held);
    return status;
}

static enum gb_status find_names(const char *images, const char *split_directory,
                                 const struct gb_bsds_test *test, struct gb_list splits[]) {
    GB_TRY(add_part(images, "train", NULL, NULL, &splits[GB_SPLIT_TRAIN]));
    GB_TRY(add_part(images, "test", NULL, NULL, &splits[GB_SPLIT_TRAIN]));
    return add_part(images, "val", split_directory, test, &splits[GB_SPLIT_TEST]);
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
