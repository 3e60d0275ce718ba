// SPDX-License-Identifier: MIT
// Paths and other texts, and JSON in files.
#ifndef GB_FILES_H
#define GB_FILES_H

#include <jansson.h>
#include <stdbool.h>

#include "base/status.h"

// "directory/name" into `path`. GB_BAD_INPUT where it is too long.
enum { GB_PATH = 4096 };
enum gb_status gb_path_join(const char *directory, const char *name, char path[static GB_PATH]);

// A text made as by printf, to be freed; NULL where memory is short.
char *gb_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Whether there is a directory of this name.
bool gb_is_directory(const char *path);

// Makes a directory and those above it where they are not there yet. GB_IO_ERROR, "`what`: path: ...".
enum gb_status gb_make_directory(const char *what, const char *path);

// Writes JSON, indented, whole or not at all.
enum gb_status gb_json_write(const char *path, const json_t *json);

// Appends the value on each line of a file to an array. GB_BAD_INPUT, "`what`: path: line 3: ...",
// where the file is missing, does not read or a line is damaged.
enum gb_status gb_json_lines_read(const char *what, const char *path, json_t *values);

#endif
