// SPDX-License-Identifier: MIT
// Lists of names: the files of a directory, and the entries of a split's list file.
#ifndef GB_LISTS_H
#define GB_LISTS_H

#include <stdbool.h>

#include "base/files.h"
#include "base/status.h"
#include "tasks/data/dataset.h"

struct gb_list {
    int count;
    char **names;
    int *lines; // line numbers in a list file, from 1; NULL for a directory
};

// Reads a text file with one name per line, trimmed of white space; blank lines and a byte-order
// mark are skipped. GB_BAD_INPUT where the file is missing, a directory, UTF-16 or empty. On
// failure *list holds nothing.
enum gb_status gb_list_read(const char *path, struct gb_list *list);

// Whether a name ends with one of `endings`, which blanks separate (".tif .tiff"); case is ignored.
bool gb_name_ends(const char *name, const char *endings);

// Lists the entries of a directory whose names end with one of `endings`, in byte order, without
// hidden ones and what file managers, archivers and file servers leave (__MACOSX, @eaDir, Thumbs.db
// ...); there may be none. GB_BAD_INPUT where the directory cannot be read. On failure *list holds
// nothing.
enum gb_status gb_list_entries(const char *directory, const char *endings, struct gb_list *list);
// The same for the directories in it.
enum gb_status gb_list_subdirectories(const char *directory, struct gb_list *list);
// gb_list_entries, and GB_BAD_INPUT where there are none.
enum gb_status gb_list_directory(const char *directory, const char *endings, struct gb_list *list);
// The same for images, of which other files are named after the part before the last dot.
// GB_BAD_INPUT also where two differ only in what follows it.
enum gb_status gb_list_images(const char *directory, struct gb_list *list);

// The path of DIRECTORY/STEM followed by `ending`; if that is missing, of an image of the same stem
// with another of GB_IMAGE_ENDINGS, if there is one. GB_BAD_INPUT where the directory cannot be
// read or a path is too long.
enum gb_status gb_image_path(const char *directory, const char *stem, const char *ending,
                             char path[static GB_PATH]);

// What directories next to one another hold by a word of their names, in any case: train or
// training, test or testing, val, valid, validation or dev (train, train2017, DIV2K_valid_HR,
// TestImages).
enum gb_subset { GB_SUBSET_OTHER, GB_SUBSET_TRAIN, GB_SUBSET_TEST, GB_SUBSET_VALIDATION };
struct gb_subsets {
    bool split;            // there are training images, and test or validation images
    bool validation_tests; // there are no test images
};
struct gb_subsets gb_list_subsets(const struct gb_list *directories);
// The subset of one of them: GB_SUBSET_OTHER unless they are split; GB_SUBSET_TEST for validation
// images that test.
enum gb_subset gb_subset_of(const struct gb_subsets *subsets, const char *directory);

void gb_list_free(struct gb_list *list);

// Appends a malloced name, which the list then owns, even on failure. GB_OUT_OF_MEMORY, also where
// the name is NULL. `where` is for the message.
enum gb_status gb_list_add(struct gb_list *list, char *name, const char *where);

// Sorts the names of a list without line numbers into byte order.
void gb_list_sort(struct gb_list *list);

// The index of `name` in a list in byte order; -1 if it is missing.
int gb_list_find(const struct gb_list *sorted, const char *name);

// Finds each name of a list read from `path` in `sorted`, the names that `directory` holds:
// indices[0..list->count). `taken`, one flag per name of `sorted` and all false before the first of
// several lists, marks them. GB_BAD_INPUT with the line for a name that is missing and for one that
// is already taken, by this list or an earlier one.
enum gb_status gb_list_indices(const struct gb_list *list, const char *path,
                               const struct gb_list *sorted, const char *directory, bool *taken,
                               int *indices);

// Which names of a list each split has, by index.
struct gb_list_split {
    int *indices[GB_SPLITS];
    int count[GB_SPLITS];
};

// Room for `most` indices a split. GB_OUT_OF_MEMORY; free it all the same.
enum gb_status gb_list_split_create(struct gb_list_split *split, int most);
void gb_list_split_free(struct gb_list_split *split);
// Reads the lists LISTS[split] (NULL: none) in `lists_directory`, in their order. Fails as
// gb_list_read and gb_list_indices do; free it all the same.
enum gb_status gb_list_split_read(const char *lists_directory, const char *const lists[GB_SPLITS],
                                  const struct gb_list *sorted, const char *directory,
                                  struct gb_list_split *split);

// Ascending.
void gb_indices_sort(int *indices, int count);

#endif
