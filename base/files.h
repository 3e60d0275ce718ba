// SPDX-License-Identifier: MIT
// Paths and other strings, and JSON in files.
#ifndef GB_FILES_H
#define GB_FILES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/status.h"

// DIRECTORY/NAME. GB_BAD_INPUT where it is too long.
enum { GB_PATH = 4096 };
enum gb_status gb_path_join(const char *directory, const char *name, char path[static GB_PATH]);

// A path formatted as by printf. GB_BAD_INPUT where it is too long.
enum gb_status gb_path_format(char path[static GB_PATH], const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// A string formatted as by printf, to be freed; NULL without memory.
char *gb_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Whether there is a directory of this name.
bool gb_is_directory(const char *path);

// Opens a text file for reading, after its byte-order mark if it begins with one. GB_BAD_INPUT with
// the message "`what`: PATH: ..." where it does not open or is UTF-16.
enum gb_status gb_text_open(const char *what, const char *path, FILE **stream);

// Creates a directory and its parents where missing. GB_IO_ERROR with the message "`what`: PATH:
// ...".
enum gb_status gb_make_directory(const char *what, const char *path);

// All bytes of a stream that can seek, followed by a 0, into *bytes, which the caller frees.
// GB_IO_ERROR and GB_OUT_OF_MEMORY with the message "`what`: `where`: ...".
enum gb_status gb_stream_read(const char *what, const char *where, FILE *stream, char **bytes,
                              size_t *count);

// Writes a file, atomically.
enum gb_status gb_file_write(const char *path, const char *bytes, size_t count);

// Writes indented JSON, atomically.
enum gb_status gb_json_write(const char *path, const json_t *json);

// Reads a JSON file, to be released by json_decref. GB_BAD_INPUT, "`what`: PATH: line 3: ...", where it
// is missing, unreadable or not JSON.
enum gb_status gb_json_read(const char *what, const char *path, json_t **json);

// Appends the value on each line of a file to an array. GB_BAD_INPUT, "`what`: PATH: line 3: ...",
// where the file is missing, unreadable or a line is not JSON.
enum gb_status gb_json_lines_read(const char *what, const char *path, json_t *values);

#endif
