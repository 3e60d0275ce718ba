// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // getline
#include "tasks/data/lists.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/files.h"
#include "base/grow.h"
#include "tasks/images/image.h"

static const char cannot_read[] = "cannot read list", cannot_list[] = "cannot read directory";

enum gb_status gb_list_add(struct gb_list *list, char *name, const char *where) {
    char **names = name ? gb_grow(list->names, (size_t)list->count, sizeof *names) : NULL;
    if (!names) {
        free(name);
        return gb_no_memory("cannot list names", where);
    }
    list->names = names;
    names[list->count++] = name;
    return GB_OK;
}

static enum gb_status add_line(struct gb_list *list, const char *name, int number,
                               const char *path) {
    int *lines = gb_grow(list->lines, (size_t)list->count, sizeof *lines);
    if (!lines)
        return gb_no_memory("cannot list names", path);
    list->lines = lines;
    lines[list->count] = number;
    return gb_list_add(list, strdup(name), path);
}

// Removes white space at both ends, in place.
static char *trim(char *line) {
    while (isspace((unsigned char)*line))
        line++;
    size_t length = strlen(line);
    while (length && isspace((unsigned char)line[length - 1]))
        length--;
    line[length] = 0;
    return line;
}

static enum gb_status read_lines(FILE *stream, const char *path, struct gb_list *list) {
    enum gb_status status = GB_OK;
    char *line = NULL;
    size_t room = 0;
    errno = 0;
    for (int number = 1; status == GB_OK && getline(&line, &room, stream) >= 0; number++) {
        const char *name = trim(line);
        if (*name)
            status = add_line(list, name, number, path);
    }
    if (status == GB_OK && !feof(stream)) // a directory opens, but does not read
        status = gb_fail(GB_BAD_INPUT, cannot_read, path, "%s", strerror(errno));
    free(line);
    return status;
}

enum gb_status gb_list_read(const char *path, struct gb_list *list) {
    *list = (struct gb_list){0};
    FILE *stream;
    GB_TRY(gb_text_open(cannot_read, path, &stream));
    enum gb_status status = read_lines(stream, path, list);
    fclose(stream);
    if (status == GB_OK && list->count == 0)
        status = gb_fail(GB_BAD_INPUT, cannot_read, path, "is empty");
    if (status != GB_OK)
        gb_list_free(list);
    return status;
}

bool gb_name_ends(const char *name, const char *endings) {
    const size_t length = strlen(name);
    for (const char *at = endings;; at++) {
        const size_t tail = strcspn(at, " ");
        if (length >= tail && strncasecmp(name + length - tail, at, tail) == 0)
            return true;
        at += tail;
        if (!*at)
            return false;
    }
}

// What file managers, archivers and file servers leave next to data.
static bool is_foreign(const char *name) {
    static const char *const names[] = {
        "__MACOSX",   "@eaDir",    "#recycle",    "$RECYCLE.BIN", "System Volume Information",
        "lost+found", "Thumbs.db", "ehthumbs.db", "desktop.ini",  "Icon\r"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(name, names[i]) == 0)
            return true;
    return name[0] == '.' || gb_name_ends(name, "~");
}

static int by_bytes(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void gb_list_sort(struct gb_list *list) {
    if (list->count > 0)
        qsort(list->names, (size_t)list->count, sizeof *list->names, by_bytes);
}

static enum gb_status read_entries(DIR *stream, const char *directory, const char *endings,
                                   struct gb_list *list) {
    const struct dirent *entry;
    while (errno = 0, (entry = readdir(stream)))
        if (!is_foreign(entry->d_name) && gb_name_ends(entry->d_name, endings))
            GB_TRY(gb_list_add(list, strdup(entry->d_name), directory));
    return errno ? gb_fail(GB_BAD_INPUT, cannot_list, directory, "%s", strerror(errno)) : GB_OK;
}

enum gb_status gb_list_entries(const char *directory, const char *endings, struct gb_list *list) {
    *list = (struct gb_list){0};
    DIR *stream = opendir(directory);
    if (!stream)
        return gb_fail(GB_BAD_INPUT, cannot_list, directory, "%s", strerror(errno));
    const enum gb_status status = read_entries(stream, directory, endings, list);
    closedir(stream);
    if (status == GB_OK)
        gb_list_sort(list);
    else
        gb_list_free(list);
    return status;
}

enum gb_status gb_list_subdirectories(const char *directory, struct gb_list *list) {
    GB_TRY(gb_list_entries(directory, "", list));
    const int count = list->count;
    list->count = 0;
    for (int i = 0; i < count; i++) {
        char path[GB_PATH];
        if (gb_path_join(directory, list->names[i], path) == GB_OK && gb_is_directory(path))
            list->names[list->count++] = list->names[i];
        else
            free(list->names[i]);
    }
    return GB_OK;
}

enum gb_status gb_list_directory(const char *directory, const char *endings, struct gb_list *list) {
    GB_TRY(gb_list_entries(directory, endings, list));
    if (list->count > 0)
        return GB_OK;
    return gb_fail(GB_BAD_INPUT, cannot_list, directory, "holds no %s%sfile", endings,
                   *endings ? " " : "");
}

// The length of a name without its last dot and what follows.
static size_t stem_length(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot ? (size_t)(dot - name) : strlen(name);
}

enum gb_status gb_list_images(const char *directory, struct gb_list *list) {
    GB_TRY(gb_list_directory(directory, GB_IMAGE_ENDINGS, list));
    for (int i = 0; i < list->count; i++) {
        const char *name = list->names[i];
        const size_t stem = stem_length(name);
        for (int j = i + 1; j < list->count && strncmp(list->names[j], name, stem + 1) == 0; j++)
            if (stem_length(list->names[j]) == stem) {
                const enum gb_status status =
                    gb_fail(GB_BAD_INPUT, cannot_list, directory,
                            "%s and %s are named alike: remove one of them", name, list->names[j]);
                gb_list_free(list);
                return status;
            }
    }
    return GB_OK;
}

enum gb_status gb_image_path(const char *directory, const char *stem, const char *ending,
                             char path[static GB_PATH]) {
    const size_t length = strlen(stem);
    struct gb_list images;
    GB_TRY(gb_path_format(path, "%s/%s%s", directory, stem, ending));
    if (access(path, F_OK) == 0)
        return GB_OK;
    GB_TRY(gb_list_entries(directory, GB_IMAGE_ENDINGS, &images));
    enum gb_status status = GB_OK;
    for (int i = 0; i < images.count; i++) {
        const char *name = images.names[i];
        if (stem_length(name) == length && strncmp(name, stem, length) == 0) {
            status = gb_path_join(directory, name, path);
            break;
        }
    }
    gb_list_free(&images);
    return status;
}

// A word ends where letters end, or a capital follows a small one.
static size_t word_length(const char *text) {
    size_t length = 0;
    while (isalpha((unsigned char)text[length]) &&
           !(length > 0 && islower((unsigned char)text[length - 1]) &&
             isupper((unsigned char)text[length])))
        length++;
    return length;
}

static enum gb_subset subset_named(const char *name) {
    static const struct {
        const char *word;
        enum gb_subset subset;
    } words[] = {{"train", GB_SUBSET_TRAIN},      {"training", GB_SUBSET_TRAIN},
                 {"test", GB_SUBSET_TEST},        {"testing", GB_SUBSET_TEST},
                 {"val", GB_SUBSET_VALIDATION},   {"validation", GB_SUBSET_VALIDATION},
                 {"valid", GB_SUBSET_VALIDATION}, {"dev", GB_SUBSET_VALIDATION}};
    for (; *name; name++) {
        const size_t length = word_length(name);
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            if (length == strlen(words[i].word) && strncasecmp(name, words[i].word, length) == 0)
                return words[i].subset;
        name += length > 0 ? length - 1 : 0;
    }
    return GB_SUBSET_OTHER;
}

struct gb_subsets gb_list_subsets(const struct gb_list *directories) {
    bool found[GB_SUBSET_VALIDATION + 1] = {false};
    for (int i = 0; i < directories->count; i++)
        found[subset_named(directories->names[i])] = true;
    return (struct gb_subsets){.split = found[GB_SUBSET_TRAIN] &&
                                        (found[GB_SUBSET_TEST] || found[GB_SUBSET_VALIDATION]),
                               .validation_tests = !found[GB_SUBSET_TEST]};
}

enum gb_subset gb_subset_of(const struct gb_subsets *subsets, const char *directory) {
    const enum gb_subset subset = subsets->split ? subset_named(directory) : GB_SUBSET_OTHER;
    return subset == GB_SUBSET_VALIDATION && subsets->validation_tests ? GB_SUBSET_TEST : subset;
}

void gb_list_free(struct gb_list *list) {
    for (int i = 0; i < list->count; i++)
        free(list->names[i]);
    free(list->names);
    free(list->lines);
    *list = (struct gb_list){0};
}

int gb_list_find(const struct gb_list *sorted, const char *name) {
    if (sorted->count == 0) // and names is NULL, which bsearch does not take
        return -1;
    char **found =
        bsearch(&name, sorted->names, (size_t)sorted->count, sizeof *sorted->names, by_bytes);
    return found ? (int)(found - sorted->names) : -1;
}

enum gb_status gb_list_indices(const struct gb_list *list, const char *path,
                               const struct gb_list *sorted, const char *directory, bool *taken,
                               int *indices) {
    for (int i = 0; i < list->count; i++) {
        indices[i] = gb_list_find(sorted, list->names[i]);
        if (indices[i] < 0)
            return gb_fail(GB_BAD_INPUT, cannot_read, path, "line %d: %s has no %s", list->lines[i],
                           directory, list->names[i]);
        if (taken[indices[i]])
            return gb_fail(GB_BAD_INPUT, cannot_read, path,
                           "line %d: %s is named twice, here or in a list before", list->lines[i],
                           list->names[i]);
        taken[indices[i]] = true;
    }
    return GB_OK;
}

static int by_number(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

void gb_indices_sort(int *indices, int count) {
    qsort(indices, (size_t)count, sizeof *indices, by_number);
}

enum gb_status gb_list_split_create(struct gb_list_split *split, int most) {
    *split = (struct gb_list_split){0};
    for (int side = 0; side < GB_SPLITS; side++)
        if (!(split->indices[side] = calloc((size_t)most + 1, sizeof(int))))
            return gb_no_memory("cannot split", gb_split_name((enum gb_split)side));
    return GB_OK;
}

void gb_list_split_free(struct gb_list_split *split) {
    for (int side = 0; side < GB_SPLITS; side++)
        free(split->indices[side]);
    *split = (struct gb_list_split){0};
}

static enum gb_status read_side(const char *path, const struct gb_list *sorted,
                                const char *directory, bool *taken, int *indices, int *count) {
    struct gb_list list;
    GB_TRY(gb_list_read(path, &list));
    *count = list.count;
    const enum gb_status status = gb_list_indices(&list, path, sorted, directory, taken, indices);
    gb_list_free(&list);
    return status;
}

enum gb_status gb_list_split_read(const char *lists_directory, const char *const lists[GB_SPLITS],
                                  const struct gb_list *sorted, const char *directory,
                                  struct gb_list_split *split) {
    bool *taken = calloc((size_t)sorted->count + 1, sizeof *taken);
    enum gb_status status = gb_list_split_create(split, sorted->count);
    if (status == GB_OK && !taken)
        status = gb_no_memory(cannot_read, lists_directory);
    for (int side = 0; status == GB_OK && side < GB_SPLITS; side++) {
        char path[GB_PATH];
        if (!lists[side])
            continue;
        status = gb_path_join(lists_directory, lists[side], path);
        if (status == GB_OK)
            status = read_side(path, sorted, directory, taken, split->indices[side],
                               &split->count[side]);
    }
    free(taken);
    return status;
}
