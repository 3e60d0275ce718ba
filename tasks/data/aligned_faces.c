// SPDX-License-Identifier: MIT
#include "tasks/data/aligned_faces.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/hash.h"
#include "base/minmax.h"
#include "base/progress.h"
#include "kernels/parallel.h"
#include "tasks/data/lists.h"
#include "tasks/data/randomness.h"
#include "tasks/images/resize.h"

static const char cannot_read[] = "cannot read faces";

// ---- Examples ----

void gb_hide_block(const struct gb_example *example) {
    const struct gb_tensor *x = &example->x;
    const struct gb_hidden_block block = gb_hidden_block(x->h);
    float *value = x->data;
    for (size_t i = 0; i < gb_elements(x); i++)
        value[i] = floorf(value[i] * 255.0f + 0.5f) / 255.0f;
    for (int row = 0; row < block.size; row++) {
        float *hidden = gb_at(x, 0, block.from + row, block.from);
        const size_t bytes = (size_t)(block.size * x->c) * sizeof *hidden;
        memcpy(gb_at(&example->y, 0, row, 0), hidden, bytes);
        memset(hidden, 0, bytes);
    }
}

// What a split is read from.
struct faces {
    char root[GB_PATH];   // the directory of images
    struct gb_list names; // the data set's own are for people
};

static void free_faces(void *source) {
    struct faces *faces = source;
    gb_list_free(&faces->names);
    free(faces);
}

static enum gb_status check_side(const char *path, int w, int h, int size) {
    if (gb_min_int(w, h) >= size)
        return GB_OK;
    return gb_fail(GB_BAD_INPUT, cannot_read, path,
                   "%d x %d pixels, and each side must have %d at least", w, h, size);
}

static enum gb_status fill(const struct gb_dataset *set, int index, const struct gb_random_key *key,
                           const struct gb_example *example) {
    (void)key;
    const struct faces *faces = set->source;
    char path[GB_PATH];
    struct gb_image image;
    GB_TRY(gb_path_join(faces->root, faces->names.names[index], path));
    GB_TRY(gb_image_read(path, 3, &image));
    const struct gb_tensor *x = &example->x;
    const int side = gb_min_int(image.w, image.h);
    enum gb_status status = check_side(path, image.w, image.h, x->h);
    if (status == GB_OK) {
        gb_image_crop(&image, (image.w - side) / 2, (image.h - side) / 2, side, side);
        status = gb_resize(&image, GB_BILINEAR, x->h, x->w, x->data);
    }
    gb_image_free(&image);
    if (status == GB_OK)
        gb_hide_block(example);
    return status;
}

// ---- Files ----

// What a directory of faces holds.
struct layout {
    char root[GB_PATH];   // the directory that names start from
    struct gb_list all;   // the images
    struct gb_list tests; // the directories of test images, "test/", next to those that train
};

// Appends the images of a directory, such as a person's, as "PERSON/NAME".
static enum gb_status list_person(const char *root, const char *person, struct gb_list *all) {
    char directory[GB_PATH];
    struct gb_list images;
    GB_TRY(gb_path_join(root, person, directory));
    GB_TRY(gb_list_entries(directory, GB_IMAGE_ENDINGS, &images));
    enum gb_status status = GB_OK;
    for (int i = 0; status == GB_OK && i < images.count; i++)
        status = gb_list_add(all, gb_format("%s/%s", person, images.names[i]), directory);
    gb_list_free(&images);
    return status;
}

static enum gb_status list_persons(const char *root, struct gb_list *all) {
    struct gb_list persons;
    *all = (struct gb_list){0};
    GB_TRY(gb_list_subdirectories(root, &persons));
    enum gb_status status = GB_OK;
    for (int i = 0; status == GB_OK && i < persons.count; i++)
        status = list_person(root, persons.names[i], all);
    gb_list_free(&persons);
    if (status == GB_OK && all->count == 0)
        status = gb_fail(GB_BAD_INPUT, cannot_read, root, "holds no PERSON/*.jpg");
    if (status != GB_OK)
        gb_list_free(all);
    return status;
}

// Images of directories that train and test by their names.
static enum gb_status list_split(const struct gb_source *source, const char *directory,
                                 const struct gb_list *names, struct layout *layout) {
    const struct gb_subsets subsets = gb_list_subsets(names);
    for (int i = 0; subsets.split && i < names->count; i++) {
        const char *name = names->names[i];
        const enum gb_subset subset = gb_subset_of(&subsets, name);
        if (subset == GB_SUBSET_TRAIN || subset == GB_SUBSET_TEST)
            GB_TRY(list_person(directory, name, &layout->all));
        else
            gb_source_note(source, "%s/%s: left out: %s", directory, name,
                           subset == GB_SUBSET_VALIDATION
                               ? "validation images neither train nor test"
                               : "its name is not train or test");
        if (subset == GB_SUBSET_TEST)
            GB_TRY(gb_list_add(&layout->tests, gb_format("%s/", name), directory));
    }
    gb_list_sort(&layout->all);
    return GB_OK;
}

// Images of a directory, or of the directories in it.
static enum gb_status list_plain(const struct gb_source *source, struct layout *layout) {
    const char *directory = layout->root;
    struct gb_list names, *all = &layout->all;
    GB_TRY(gb_list_entries(directory, GB_IMAGE_ENDINGS, all));
    if (all->count > 0)
        return GB_OK;
    GB_TRY(gb_list_subdirectories(directory, &names));
    const enum gb_status status = list_split(source, directory, &names, layout);
    gb_list_free(&names);
    if (status == GB_OK && all->count == 0)
        return gb_list_directory(directory, GB_IMAGE_ENDINGS, all); // fails, and says why
    return status;
}

// The images of a directory of whichever kind.
static enum gb_status list_images(const struct gb_source *source, struct layout *layout) {
    const char *directory = source->directory;
    static const char *const rooms[] = {"img_align_celeba", "Img/img_align_celeba"};
    char *root = layout->root;
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
        GB_TRY(gb_path_join(directory, rooms[i], root));
        if (gb_is_directory(root))
            return gb_list_directory(root, GB_IMAGE_ENDINGS, &layout->all);
    }
    GB_TRY(gb_path_join(directory, "lfw_funneled", root));
    if (gb_is_directory(root))
        return list_persons(root, &layout->all);
    snprintf(root, GB_PATH, "%s", directory); // shorter than the paths before
    return list_plain(source, layout);
}

// ---- Splits ----

// Moves randomly chosen test images among indices[0..count) to the front, at most a quarter of
// `of`, and returns how many.
static int draw_test(int *indices, int count, int of) {
    const struct gb_random_key key = {.seed = GB_ALIGNED_FACES_SEED, .purpose = GB_RANDOM_SPLIT};
    const int drawn = gb_min_int(gb_min_int(of / 4, GB_ALIGNED_FACES_TEST), count);
    gb_shuffle(&key, indices, count);
    gb_indices_sort(indices, drawn);
    return drawn;
}

// The first of a shuffle test, the others train.
static void split_all(int count, struct gb_list_split *split) {
    int *train = split->indices[GB_SPLIT_TRAIN], *all = split->indices[GB_SPLIT_TEST];
    for (int i = 0; i < count; i++)
        all[i] = i;
    const int test = draw_test(all, count, count);
    memcpy(train, all + test, (size_t)(count - test) * sizeof *train);
    gb_indices_sort(train, count - test);
    split->count[GB_SPLIT_TEST] = test;
    split->count[GB_SPLIT_TRAIN] = count - test;
}

static bool is_test(const struct layout *layout, const char *name) {
    for (int i = 0; i < layout->tests.count; i++)
        if (strncmp(name, layout->tests.names[i], strlen(layout->tests.names[i])) == 0)
            return true;
    return false;
}

// The directory decides.
static void split_halves(const struct gb_source *source, const struct layout *layout,
                         struct gb_list_split *split) {
    for (int i = 0; i < layout->all.count; i++) {
        const bool tests = is_test(layout, layout->all.names[i]);
        const enum gb_split to = tests ? GB_SPLIT_TEST : GB_SPLIT_TRAIN;
        split->indices[to][split->count[to]++] = i;
    }
    const int train = split->count[GB_SPLIT_TRAIN], test = split->count[GB_SPLIT_TEST];
    split->count[GB_SPLIT_TEST] = draw_test(split->indices[GB_SPLIT_TEST], test, 4 * test);
    gb_source_note(source, "training images: %d; test images: %d of the %d in %s%s", train,
                   split->count[GB_SPLIT_TEST], test, layout->tests.names[0],
                   layout->tests.count > 1 ? " and others" : "");
}

// "000001.jpg 0" to "000001.jpg" in place, and the 0.
static enum gb_status take_part(const struct gb_list *list, int index, const char *path,
                                int *part) {
    char *line = list->names[index];
    const size_t name = strcspn(line, " \t"), blanks = strspn(line + name, " \t");
    const char *number = line + name + blanks;
    if (name == 0 || blanks == 0 || *number < '0' || *number > '2' || number[1])
        return gb_fail(GB_BAD_INPUT, cannot_read, path,
                       "line %d: \"%s\" is not a file's name and 0, 1 or 2", list->lines[index],
                       line);
    *part = *number - '0';
    line[name] = 0;
    return GB_OK;
}

// `parts`: what each line says; `indices`: what it names.
static enum gb_status split_list(const struct gb_list *list, const char *path, const char *root,
                                 const struct gb_list *all, bool *taken, int *parts, int *indices,
                                 struct gb_list_split *split) {
    for (int i = 0; i < list->count; i++)
        GB_TRY(take_part(list, i, path, &parts[i]));
    GB_TRY(gb_list_indices(list, path, all, root, taken, indices));
    enum { TRAIN, VALIDATION, TEST };
    for (int i = 0; i < list->count; i++)
        if (parts[i] != VALIDATION) {
            const enum gb_split to = parts[i] == TEST ? GB_SPLIT_TEST : GB_SPLIT_TRAIN;
            split->indices[to][split->count[to]++] = indices[i];
        }
    const int train = split->count[GB_SPLIT_TRAIN], test = split->count[GB_SPLIT_TEST];
    if (train == 0 || test == 0)
        return gb_fail(GB_BAD_INPUT, cannot_read, path,
                       "names %d images for training and %d for testing", train, test);
    split->count[GB_SPLIT_TEST] = draw_test(split->indices[GB_SPLIT_TEST], test, train + test);
    return GB_OK;
}

static enum gb_status split_by_list(const char *directory, const char *root,
                                    const struct gb_list *all, struct gb_list_split *split) {
    char path[GB_PATH];
    struct gb_list list;
    GB_TRY(gb_path_join(directory, "list_eval_partition.txt", path));
    GB_TRY(gb_list_read(path, &list));
    bool *taken = calloc((size_t)all->count, sizeof *taken);
    int *numbers = calloc(2 * (size_t)list.count, sizeof *numbers);
    const enum gb_status status =
        taken && numbers
            ? split_list(&list, path, root, all, taken, numbers, numbers + list.count, split)
            : gb_no_memory(cannot_read, path);
    free(taken);
    free(numbers);
    gb_list_free(&list);
    return status;
}

// Some files, from one on.
struct checking {
    const struct gb_dataset *set;
    int first;
};

static enum gb_status check_one(void *argument, int index) {
    const struct checking *checking = argument;
    const struct faces *faces = checking->set->source;
    char path[GB_PATH];
    int w, h;
    GB_TRY(gb_path_join(faces->root, faces->names.names[checking->first + index], path));
    GB_TRY(gb_image_probe(path, &w, &h));
    return check_side(path, w, h, checking->set->shape.x_h);
}

// All files' headers, sizes and ends: a damaged one would end a run hours later.
static enum gb_status check_files(const struct gb_source *source, const struct gb_dataset *set) {
    enum { AT_ONCE = 1000 };
    struct checking checking = {.set = set};
    struct gb_progress *progress = source->progress;
    enum gb_status status = GB_OK;
    if (progress)
        gb_progress_begin(progress, "checking images", 0, set->count);
    while (status == GB_OK && checking.first < set->count) {
        const int count = gb_min_int(set->count - checking.first, AT_ONCE);
        status = gb_parallel_tries(source->threads, count, check_one, &checking);
        checking.first += count;
        if (progress && gb_progress_due(progress)) {
            char text[64];
            snprintf(text, sizeof text, "%d/%d", checking.first, set->count);
            gb_progress_show(progress, (double)checking.first / set->count, text);
        }
    }
    if (progress)
        gb_progress_end(progress);
    return status;
}

// The first image, and the names in order with the sizes of their files: all images would take
// minutes to read.
static enum gb_status hash_set(struct gb_dataset *set) {
    struct gb_examples first;
    GB_TRY(gb_dataset_gather(set, NULL, 1, 0, 1, &first));
    set->hash = gb_examples_hash(&first);
    gb_examples_free(&first);
    const struct faces *faces = set->source;
    for (int i = 0; i < set->count; i++) {
        const char *name = faces->names.names[i];
        char path[GB_PATH];
        struct stat file;
        GB_TRY(gb_path_join(faces->root, name, path));
        if (stat(path, &file) != 0)
            return gb_fail(GB_BAD_INPUT, cannot_read, path, "%s", strerror(errno));
        const int64_t size = file.st_size;
        set->hash = gb_hash_bytes(set->hash, name, strlen(name) + 1);
        set->hash = gb_hash_bytes(set->hash, &size, sizeof size);
    }
    return GB_OK;
}

static enum gb_status make_set(const struct gb_source *source, const char *root,
                               const struct gb_list *all, const int *indices, int count,
                               struct gb_dataset *set) {
    const struct gb_example_shape shape = gb_hidden_block_shape(source->size);
    if (count == 0)
        return gb_fail(GB_BAD_INPUT, cannot_read, root, "%d images are too few to split",
                       all->count);
    GB_TRY(gb_dataset_create(set, count, &shape));
    struct faces *faces = calloc(1, sizeof *faces);
    if (!faces)
        return gb_no_memory(cannot_read, root);
    set->source = faces;
    set->free_source = free_faces;
    set->fill = fill;
    memcpy(faces->root, root, sizeof faces->root);
    for (int i = 0; i < count; i++) {
        const char *name = all->names[indices[i]];
        GB_TRY(gb_list_add(&faces->names, strdup(name), root));
        GB_TRY(gb_dataset_name(set, i, name));
    }
    GB_TRY(check_files(source, set));
    return hash_set(set);
}

static enum gb_status make_splits(const struct gb_source *source, const struct layout *layout,
                                  struct gb_list_split *split, struct gb_dataset splits[]) {
    const char *root = layout->root;
    const struct gb_list *all = &layout->all;
    GB_TRY(gb_list_split_create(split, all->count));
    if (source->split_directory)
        GB_TRY(split_by_list(source->split_directory, root, all, split));
    else if (layout->tests.count > 0)
        split_halves(source, layout, split);
    else
        split_all(all->count, split);
    for (int s = 0; s < GB_SPLITS; s++)
        GB_TRY(make_set(source, root, all, split->indices[s], split->count[s], &splits[s]));
    return GB_OK;
}

enum gb_status gb_aligned_faces_load(const struct gb_source *source, struct gb_dataset splits[]) {
    gb_splits_clear(splits);
    struct layout layout = {0};
    struct gb_list_split split = {0};
    enum gb_status status = list_images(source, &layout);
    if (status == GB_OK)
        status = make_splits(source, &layout, &split, splits);
    gb_list_split_free(&split);
    gb_list_free(&layout.all);
    gb_list_free(&layout.tests);
    return gb_splits_keep(splits, status);
}
