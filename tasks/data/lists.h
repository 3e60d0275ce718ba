// SPDX-License-Identifier: MIT
// Lists of names: the files of a directory, and the entries of a split's list file.
#ifndef GB_LISTS_H
#define GB_LISTS_H

#include <stdbool.h>

#include "base/status.h"

struct gb_list {
    int count;
    char **names;
    int *lines; // line numbers in a list file, from 1; NULL for a directory
};

// Reads a text file with one name per line, trimmed of white space; blank lines are skipped.
// GB_BAD_INPUT where the file is missing, a directory, or empty. On failure *list holds nothing.
enum gb_status gb_list_read(const char *path, struct gb_list *list);

// Lists the entries of a directory whose names end with `suffix` (".jpg", ".depth.png"; case is
// ignored), in byte order, without hidden ones. GB_BAD_INPUT where the directory cannot be read or
// has none. On failure *list holds nothing.
enum gb_status gb_list_directory(const char *directory, const char *suffix, struct gb_list *list);

void gb_list_free(struct gb_list *list);

// Appends a malloced name, which the list then owns, even on failure. GB_OUT_OF_MEMORY, also where
// the name is NULL. `where` is for the message.
enum gb_status gb_list_add(struct gb_list *list, char *name, const char *where);

// Sorts the names of a list without line numbers into byte order.
void gb_list_sort(struct gb_list *list);

// The index of `name` in a list in byte order; -1 if it is missing.
int gb_list_find(const struct gb_list *sorted, const char *name);

// Reads the list file at `path` and finds each of its names in `sorted`, the names that `directory`
// holds: their indices, in the file's order, which the caller frees. `taken`, one flag per name of
// `sorted` and all false before the first of several lists, marks them. GB_BAD_INPUT with the line
// for a name that is missing and for one that is already taken, by this list or an earlier one.
enum gb_status gb_list_choose(const char *path, const struct gb_list *sorted, const char *directory,
                              bool *taken, int **indices, int *count);
// The same for a list that is already read from `path`, into indices[0..list->count).
enum gb_status gb_list_indices(const struct gb_list *list, const char *path,
                               const struct gb_list *sorted, const char *directory, bool *taken,
                               int *indices);

// Ascending.
void gb_indices_sort(int *indices, int count);

#endif
