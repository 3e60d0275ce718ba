// SPDX-License-Identifier: MIT
// Lists of names: of the files that a directory holds, and of those that a split's list file asks for.
#ifndef GB_LISTS_H
#define GB_LISTS_H

#include <stdbool.h>

#include "base/status.h"

struct gb_list {
    int count;
    char **names;
    int *lines; // of a list file, from 1: where each name stands; of a directory NULL
};

// Reads a text file of one name a line: what stands on the line, except for blanks at both its ends
// (a carriage return is one). Lines of blanks alone are passed over. GB_BAD_INPUT where the file is
// missing, a directory, or names nothing; GB_OUT_OF_MEMORY. On failure *list holds nothing.
enum gb_status gb_list_read(const char *path, struct gb_list *list);

// Lists the entries of a directory whose names end with `suffix` (".jpg", ".depth.png"), whatever the
// case of its letters, in byte order; those that begin with a dot are left out. The same errors,
// GB_BAD_INPUT also where there are none.
enum gb_status gb_list_directory(const char *directory, const char *suffix, struct gb_list *list);

void gb_list_free(struct gb_list *list);

// Appends a name of malloc's, which it takes over, also where it fails: GB_OUT_OF_MEMORY where
// there is no room, or no name (NULL). `where` is for the message.
enum gb_status gb_list_add(struct gb_list *list, char *name, const char *where);

// Brings the names of a list without lines into byte order.
void gb_list_sort(struct gb_list *list);

// The place of `name` in a list that is in byte order; -1 where it is not in it.
int gb_list_find(const struct gb_list *sorted, const char *name);

// Finds every name of `list`, read from `path`, in `sorted`, which is what `directory` holds: its
// place into places[0..list->count). taken[place], which the caller zeroes before the first of
// several lists, gets true. GB_BAD_INPUT with the line for a name that is not there and for one
// that is taken already, be it by this list or by one before.
enum gb_status gb_list_indices(const struct gb_list *list, const char *path,
                               const struct gb_list *sorted, const char *directory, bool *taken,
                               int *places);

// Brings places into ascending order.
void gb_indices_sort(int *places, int count);

#endif
