// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // strcasestr
#include "tasks/data/sr_files.h"

#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/files.h"
#include "tasks/data/bsds_data.h"
#include "tasks/data/lists.h"
#include "tasks/data/npz.h"

static const char what[] = "cannot read images";

enum { DEEPEST = 6 }; // levels of directories that are searched

struct reading {
    const struct gb_source *source;
    struct gb_image_list *splits; // so far
    struct gb_list visited;       // directories, by their full paths
    bool read_again;              // one of them was met again
    enum gb_subset subset;        // what images here do that are in no test set
};

// ---- Names ----

// Test sets, and what directories of theirs are named, in small letters and digits alone, maybe
// with "hr" at the end. Those in a directory are read in this order.
static const struct {
    const char *set, *names[3];
} test_sets[] = {{"Set5", {"set5"}},
                 {"Set14", {"set14"}},
                 {"BSD100", {"bsd100", "bsds100", "b100"}},
                 {"Urban100", {"urban100"}},
                 {"Manga109", {"manga109"}},
                 {"DIV2K", {"div2kvalid", "div2kval"}}};
enum { TEST_SETS = sizeof test_sets / sizeof *test_sets };

// The set that a directory of this name is; NULL where it is none.
static const char *test_set_named(const char *name) {
    char plain[32] = "";
    size_t length = 0;
    for (; *name && length < sizeof plain - 1; name++)
        if (isalnum((unsigned char)*name))
            plain[length++] = (char)tolower((unsigned char)*name);
    if (length > 2 && strcmp(plain + length - 2, "hr") == 0)
        plain[length - 2] = '\0';
    for (int i = 0; i < TEST_SETS; i++)
        for (int j = 0; j < 3 && test_sets[i].names[j]; j++)
            if (strcmp(plain, test_sets[i].names[j]) == 0)
                return test_sets[i].set;
    return NULL;
}

// The same for a link, which may be named anything else.
static const char *test_set_of(const char *directory, const char *name) {
    const char *set = test_set_named(name);
    char *path = set ? NULL : realpath(directory, NULL);
    if (path)
        set = test_set_named(strrchr(path, '/') + 1);
    free(path);
    return set;
}

static bool begins(const char *name, const char *start) {
    return strncasecmp(name, start, strlen(start)) == 0;
}

static bool ends(const char *name, const char *end) {
    const size_t length = strlen(name), tail = strlen(end);
    return length >= tail && strcasecmp(name + length - tail, end) == 0;
}

// Directories of low resolutions: Set5_LR, LR_bicubic, DIV2K_train_LR_x8, LRbicx4, X2,
// image_SRF_3. What these hold for a factor of 2 is computed from the high resolutions.
static bool is_low_resolution(const char *name) {
    const bool factor = (name[0] == 'x' || name[0] == 'X') && name[1] >= '2' && name[1] <= '8';
    const bool other_factor = begins(name, "image_SRF_") && strcmp(name + 10, "2") != 0;
    return strcasecmp(name, "LR") == 0 || begins(name, "LR_") || begins(name, "LRbic") ||
           ends(name, "_LR") || strcasestr(name, "_LR_") || (factor && !name[2]) || other_factor;
}

// Which directory of a test set has its high resolutions, the smaller the better.
static int rank_of(const char *name) {
    static const char *const best[] = {"HR", "original", "GT", "GTmod12", "image_SRF_2"};
    int rank = 0;
    while (rank < 5 && strcasecmp(name, best[rank]) != 0)
        rank++;
    return rank;
}

// RCAN's and others' HR/Set5/x2: high resolutions whose sides are multiples of 2.
static bool is_cropped(const char *directory, const char *name) {
    bool high = false;
    for (const char *at = directory; *at; at += strcspn(at, "/"), at += strspn(at, "/"))
        high = high || (strcspn(at, "/") == 2 && strncasecmp(at, "HR", 2) == 0);
    return high && strcasecmp(name, "x2") == 0;
}

// Of images that are not read.
static const char other_endings[] = ".bmp .webp .heic .heif .avif .jp2 .jxl .tga .psd .dng .exr "
                                    ".hdr .jpe .jfif .mat .npy .h5";

// baby_LR.png, img_001_SRF_2_LR.png.
static bool is_low_image(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot && dot - name >= 3 && strncasecmp(dot - 3, "_LR", 3) == 0;
}

// ---- Lists of images ----

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

// Training images may be held out for testing.
static int min_side(const struct reading *reading, enum gb_split split) {
    const int patch = split == GB_SPLIT_TRAIN ? reading->source->size : 0;
    return patch > GB_SR_LEAST_SIDE ? patch : GB_SR_LEAST_SIDE;
}

// The images of a directory; those of low resolution and of unknown formats are noted.
static enum gb_status list_images(const struct reading *reading, const char *directory,
                                  struct gb_list *images) {
    int low = 0, other = 0, count = 0;
    GB_TRY(gb_list_entries(directory, "", images));
    for (int i = 0; i < images->count; i++) {
        char *name = images->names[i];
        const bool image = gb_name_ends(name, GB_IMAGE_ENDINGS);
        low += image && is_low_image(name);
        other += gb_name_ends(name, other_endings);
        if (image && !is_low_image(name))
            images->names[count++] = name;
        else
            free(name);
    }
    images->count = count;
    if (low > 0)
        gb_source_note(reading->source, "%s: low resolutions left out, since they are computed: %d",
                       directory, low);
    if (other > 0)
        gb_source_note(reading->source, "%s: images of other formats left out: %d", directory,
                       other);
    return GB_OK;
}

// Reads the images in a directory, if there are any: of a test set, or to train.
static enum gb_status read_images(struct reading *reading, const char *set, const char *directory,
                                  const char *prefix, int *count) {
    const enum gb_split split = set ? GB_SPLIT_TEST : GB_SPLIT_TRAIN;
    struct gb_list names;
    struct gb_image_list more;
    GB_TRY(list_images(reading, directory, &names));
    *count = names.count;
    enum gb_status status = GB_OK;
    if (names.count > 0) {
        status = gb_image_list_read(directory, names.names, names.count, min_side(reading, split),
                                    reading->source->threads, &more);
        if (status == GB_OK)
            status = append(reading, split, &more, prefix);
    }
    gb_list_free(&names);
    return status;
}

// ---- Published layouts ----

static enum gb_status read_bsds500(struct reading *reading, const char *directory) {
    static const char *const prefixes[GB_SPLITS] = {"", "BSD100/"};
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

// A directory may be given and lie in another one that is given.
static enum gb_status visit(struct reading *reading, const char *directory, bool *again) {
    char *path = realpath(directory, NULL);
    *again = false;
    if (!path) // reading it reports why
        return GB_OK;
    for (int i = 0; i < reading->visited.count; i++)
        *again = *again || strcmp(reading->visited.names[i], path) == 0;
    if (*again)
        gb_source_note(reading->source, "%s: is read once", directory);
    reading->read_again |= *again;
    return gb_list_add(&reading->visited, path, directory);
}

// A test set: its images, or those of the directory in it that has the high resolutions.
static enum gb_status read_test_set(struct reading *reading, const char *directory,
                                    const char *set) {
    char prefix[GB_PATH], path[GB_PATH];
    int images, best = -1;
    bool again;
    GB_TRY(visit(reading, directory, &again));
    if (again)
        return GB_OK;
    struct gb_list directories;
    GB_TRY(gb_path_format(prefix, "%s/", set));
    GB_TRY(read_images(reading, set, directory, prefix, &images));
    GB_TRY(gb_list_subdirectories(directory, &directories));
    for (int i = 0; images == 0 && i < directories.count; i++)
        if ((!is_low_resolution(directories.names[i]) ||
             is_cropped(directory, directories.names[i])) &&
            (best < 0 || rank_of(directories.names[i]) < rank_of(directories.names[best])))
            best = i;
    enum gb_status status = GB_OK;
    for (int i = 0; status == GB_OK && i < directories.count; i++) {
        status = gb_path_join(directory, directories.names[i], path);
        if (status == GB_OK && i == best)
            status = read_images(reading, set, path, prefix, &images);
        else if (status == GB_OK)
            gb_source_note(reading->source, "%s: left out: %s", path,
                           is_low_resolution(directories.names[i])
                               ? "low resolutions are computed"
                               : "the test set's images are elsewhere");
    }
    gb_list_free(&directories);
    if (status == GB_OK && images == 0)
        gb_source_note(reading->source, "%s: holds no images", directory);
    return status;
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

static const char imagenet_test[] = "val_data.npz";

static enum gb_status read_imagenet(struct reading *reading, const char *directory) {
    enum { BATCHES = 10 };
    char path[GB_PATH];
    for (int batch = 1; batch <= BATCHES; batch++) {
        char name[32], prefix[16];
        snprintf(name, sizeof name, "train_data_batch_%d.npz", batch);
        snprintf(prefix, sizeof prefix, "batch %d/", batch);
        GB_TRY(gb_path_join(directory, name, path));
        if (access(path, F_OK) == 0)
            GB_TRY(read_archive(reading, GB_SPLIT_TRAIN, path, prefix));
    }
    GB_TRY(gb_path_join(directory, imagenet_test, path));
    return access(path, F_OK) == 0 ? read_archive(reading, GB_SPLIT_TEST, path, "ImageNet/")
                                   : GB_OK;
}

static int count_all(const struct reading *reading) {
    return reading->splits[GB_SPLIT_TRAIN].count + reading->splits[GB_SPLIT_TEST].count;
}

static enum gb_status read_directory(struct reading *reading, const char *directory,
                                     const char *prefix, int depth);

// Whether a directory has test sets in it, or ImageNet's.
static enum gb_status has_test_sets(const char *directory, bool *has) {
    struct gb_list names;
    char path[GB_PATH];
    GB_TRY(gb_path_join(directory, imagenet_test, path));
    *has = access(path, F_OK) == 0;
    GB_TRY(gb_list_subdirectories(directory, &names));
    for (int i = 0; i < names.count; i++)
        *has = *has || test_set_named(names.names[i]);
    gb_list_free(&names);
    return GB_OK;
}

// Test images next to training images, by the name of their directory.
static const char *plain_test_set(const char *name) {
    return strcasecmp(name, "testing") == 0 || strcasecmp(name, "test") == 0 ? "test" : name;
}

// A directory of several test sets: the images next to these are of the same subset.
static enum gb_status read_sets(struct reading *reading, enum gb_subset subset,
                                const char *directory, const char *prefix, int depth) {
    const enum gb_subset above = reading->subset;
    reading->subset = subset;
    const enum gb_status status = read_directory(reading, directory, prefix, depth);
    reading->subset = above;
    return status;
}

// A directory that is no test set by its name.
static enum gb_status read_other(struct reading *reading, const struct gb_subsets *subsets,
                                 const char *directory, const char *name, const char *prefix,
                                 int depth) {
    const enum gb_subset own = gb_subset_of(subsets, name);
    const enum gb_subset subset = own == GB_SUBSET_OTHER ? reading->subset : own;
    bool sets = true;
    if (subset == GB_SUBSET_TEST || subset == GB_SUBSET_VALIDATION)
        GB_TRY(has_test_sets(directory, &sets));
    if (sets)
        return read_sets(reading, subset, directory, prefix, depth);
    if (subset == GB_SUBSET_TEST)
        return read_test_set(reading, directory, plain_test_set(name));
    gb_source_note(reading->source, "%s: left out: validation images neither train nor test",
                   directory);
    return GB_OK;
}

// The test sets among the directories, in their order, then the others. `sets`: which each is.
static enum gb_status read_in_order(struct reading *reading, const char *directory,
                                    const struct gb_list *names, const char **sets,
                                    const char *prefix, bool bsds500, int depth) {
    char path[GB_PATH], longer[GB_PATH];
    const struct gb_subsets subsets = gb_list_subsets(names);
    for (int i = 0; i < names->count; i++) {
        GB_TRY(gb_path_join(directory, names->names[i], path));
        sets[i] = test_set_of(path, names->names[i]);
    }
    for (int set = 0; set <= TEST_SETS; set++)
        for (int i = 0; i < names->count; i++) {
            const char *name = names->names[i];
            if (set < TEST_SETS ? sets[i] != test_sets[set].set : sets[i] != NULL)
                continue;
            GB_TRY(gb_path_join(directory, name, path));
            GB_TRY(gb_path_format(longer, "%s%s/", prefix, name));
            if (sets[i])
                GB_TRY(read_test_set(reading, path, sets[i]));
            else if (is_low_resolution(name))
                gb_source_note(reading->source, "%s: left out: low resolutions are computed", path);
            else if (!bsds500 || strcmp(name, "images") != 0)
                GB_TRY(read_other(reading, &subsets, path, name, longer, depth + 1));
        }
    return GB_OK;
}

static enum gb_status read_directories(struct reading *reading, const char *directory,
                                       const struct gb_list *names, const char *prefix,
                                       bool bsds500, int depth) {
    const char **sets = calloc((size_t)names->count + 1, sizeof *sets);
    const enum gb_status status =
        sets ? read_in_order(reading, directory, names, sets, prefix, bsds500, depth)
             : gb_no_memory(what, directory);
    free(sets);
    return status;
}

// The last name of a path, which may be a link, or end with slashes or dots; the caller frees it.
static char *last_name(const char *path) {
    char *full = NULL;
    size_t end = strlen(path), begin;
    while (end > 0 && path[end - 1] == '/')
        end--;
    for (begin = end; begin > 0 && path[begin - 1] != '/';)
        begin--;
    if (end - begin == strspn(path + begin, ".") && (full = realpath(path, NULL))) {
        path = full;
        end = strlen(full);
        begin = (size_t)(strrchr(full, '/') - full) + 1;
    }
    char *name = strndup(path + begin, end - begin);
    free(full);
    return name;
}

// The images of a directory that is no test set itself: they train, unless they are next to test
// sets in a directory of test or validation images.
static enum gb_status read_plain(struct reading *reading, const char *directory,
                                 const char *prefix) {
    int images;
    if (reading->subset == GB_SUBSET_VALIDATION) {
        struct gb_list names;
        GB_TRY(list_images(reading, directory, &names));
        if (names.count > 0)
            gb_source_note(reading->source,
                           "%s: left out: validation images neither train nor test: %d", directory,
                           names.count);
        gb_list_free(&names);
        return GB_OK;
    }
    if (reading->subset != GB_SUBSET_TEST)
        return read_images(reading, NULL, directory, prefix, &images);
    char set[GB_PATH], *name = last_name(directory);
    if (!name)
        return gb_no_memory(what, directory);
    enum gb_status status = gb_path_format(set, "%s/", plain_test_set(name));
    if (status == GB_OK)
        status = read_images(reading, name, directory, set, &images);
    free(name);
    return status;
}

// All that a directory and those in it hold.
static enum gb_status read_directory(struct reading *reading, const char *directory,
                                     const char *prefix, int depth) {
    char train[GB_PATH], validation[GB_PATH];
    bool again;
    GB_TRY(visit(reading, directory, &again));
    if (again)
        return GB_OK;
    if (depth == DEEPEST) {
        gb_source_note(reading->source, "%s: left out: too many directories above it", directory);
        return GB_OK;
    }
    GB_TRY(gb_path_join(directory, "images/train", train));
    GB_TRY(gb_path_join(directory, "images/val", validation));
    const bool bsds500 = gb_is_directory(train) && gb_is_directory(validation);
    if (bsds500)
        GB_TRY(read_bsds500(reading, directory));
    GB_TRY(read_imagenet(reading, directory));
    GB_TRY(read_plain(reading, directory, prefix));
    struct gb_list names;
    GB_TRY(gb_list_subdirectories(directory, &names));
    const enum gb_status status =
        read_directories(reading, directory, &names, prefix, bsds500, depth);
    gb_list_free(&names);
    return status;
}

// `name`: its last name, after which it may test.
static enum gb_status read_root(struct reading *reading, const struct gb_subsets *subsets,
                                const char *root, const char *name) {
    const int before = count_all(reading);
    const char *set = gb_is_directory(root) ? test_set_of(root, name) : NULL;
    GB_TRY(set ? read_test_set(reading, root, set)
               : read_other(reading, subsets, root, name, "", 0));
    if (gb_subset_of(subsets, name) != GB_SUBSET_VALIDATION &&
        (count_all(reading) == 0 || (count_all(reading) == before && !reading->read_again)))
        return gb_fail(GB_BAD_INPUT, what, root, "holds no images");
    return GB_OK;
}

// The directories of `paths`, and their last names.
static enum gb_status list_roots(const char *paths, struct gb_list *roots, struct gb_list *names) {
    const bool one = gb_is_directory(paths); // whatever its name
    for (const char *at = paths; *at; at += *at == ':') {
        const size_t length = one ? strlen(at) : strcspn(at, ":");
        GB_TRY(gb_list_add(roots, strndup(at, length), paths));
        GB_TRY(gb_list_add(names, last_name(roots->names[roots->count - 1]), paths));
        at += length;
    }
    return GB_OK;
}

static enum gb_status read_roots(struct reading *reading, const char *paths) {
    struct gb_list roots = {0}, names = {0};
    enum gb_status status = list_roots(paths, &roots, &names);
    const struct gb_subsets subsets = gb_list_subsets(&names);
    for (int i = 0; status == GB_OK && i < roots.count; i++)
        status = read_root(reading, &subsets, roots.names[i], names.names[i]);
    gb_list_free(&roots);
    gb_list_free(&names);
    return status;
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

// The hash and the place of an image.
struct fingerprint {
    uint64_t hash;
    int split, index;
};

static int by_hash(const void *a, const void *b) {
    const struct fingerprint *one = a, *other = b;
    return one->hash != other->hash ? (one->hash > other->hash) - (one->hash < other->hash)
                                    : one->split - other->split;
}

// Refuses an image that trains and tests. What archives hold is as their publisher split it.
static enum gb_status check_apart(const struct reading *reading) {
    struct fingerprint *all = calloc((size_t)count_all(reading), sizeof *all);
    int count = 0;
    if (!all)
        return gb_no_memory(what, reading->source->directory);
    for (int split = 0; split < GB_SPLITS; split++)
        for (int i = 0; i < reading->splits[split].count; i++) {
            const struct gb_image_list one = {.count = 1,
                                              .images = &reading->splits[split].images[i]};
            if (gb_name_ends(reading->splits[split].names[i], GB_IMAGE_ENDINGS))
                all[count++] = (struct fingerprint){gb_image_list_hash(&one), split, i};
        }
    qsort(all, (size_t)count, sizeof *all, by_hash);
    enum gb_status status = GB_OK;
    for (int i = 1; status == GB_OK && i < count; i++)
        if (all[i].hash == all[i - 1].hash && all[i].split != all[i - 1].split)
            status = gb_fail(GB_BAD_INPUT, what, reading->source->directory,
                             "%s, which trains, is the test image %s",
                             reading->splits[GB_SPLIT_TRAIN].names[all[i - 1].index],
                             reading->splits[GB_SPLIT_TEST].names[all[i].index]);
    free(all);
    return status;
}

// "training images: 12; test images: Set5 (5), Set14 (14)".
static void note_splits(const struct reading *reading) {
    const struct gb_image_list *test = &reading->splits[GB_SPLIT_TEST];
    char sets[GB_MESSAGE / 2] = "";
    for (int i = 0, first = 0; i < test->count; i++) {
        const char *name = test->names[i];
        const size_t length = strcspn(name, "/") + 1, used = strlen(sets);
        if (i + 1 < test->count && strncmp(test->names[i + 1], name, length) == 0)
            continue;
        snprintf(sets + used, sizeof sets - used, "%s%.*s (%d)", used ? ", " : "", (int)length - 1,
                 name, i + 1 - first);
        first = i + 1;
    }
    gb_source_note(reading->source, "training images: %d; test images: %s",
                   reading->splits[GB_SPLIT_TRAIN].count, sets);
}

static enum gb_status read_all(struct reading *reading) {
    const char *directory = reading->source->directory;
    GB_TRY(read_roots(reading, directory));
    if (reading->splits[GB_SPLIT_TEST].count == 0) {
        if (reading->splits[GB_SPLIT_TRAIN].count < 2)
            return gb_fail(GB_BAD_INPUT, what, directory, "one image cannot both train and test");
        GB_TRY(hold_out(reading));
    }
    GB_TRY(check_apart(reading));
    note_splits(reading);
    return GB_OK;
}

enum gb_status gb_sr_read(const struct gb_source *source, struct gb_image_list splits[]) {
    struct reading reading = {.source = source, .splits = splits};
    for (int split = 0; split < GB_SPLITS; split++)
        splits[split] = (struct gb_image_list){0};
    const enum gb_status status = read_all(&reading);
    gb_list_free(&reading.visited);
    for (int split = 0; status != GB_OK && split < GB_SPLITS; split++)
        gb_image_list_free(&splits[split]);
    return status;
}
