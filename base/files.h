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

// Whether there is a directory of this name; whether there is nothing, as far as the system says.
bool gb_is_directory(const char *path);
bool gb_is_missing(const char *path);

// Opens a text file for reading, after its byte-order mark if it begins with one. GB_BAD_INPUT with
// the message "`what`: PATH: ..." where it does not open or is UTF-16.
enum gb_status gb_text_open(const char *what, const char *path, FILE **stream);

// Creates a directory and its parents where missing. GB_IO_ERROR with the message "`what`: PATH:
// ...".
enum gb_status gb_make_directory(const char *what, const char *path);

// All that a stream holds, from its start if it can seek, with a NUL after the end, to be freed.
// GB_BAD_INPUT for a directory, GB_IO_ERROR where a read fails, GB_OUT_OF_MEMORY; the message is
// "`what`: `where`: ...".
enum gb_status gb_stream_read(const char *what, const char *where, FILE *stream, char **bytes,
                              size_t *count);
// The same for a file; GB_BAD_INPUT also where it is missing.
enum gb_status gb_file_read(const char *what, const char *path, char **bytes, size_t *count);
// Writes a file, atomically.
enum gb_status gb_file_write(const char *path, const char *bytes, size_t count);

// One JSON value without duplicate keys, to be released by json_decref. NULL, with the reason in
// *error, where the text is anything else or memory runs out (json_error_code tells).
json_t *gb_json_parse(const char *text, size_t length, json_error_t *error);

// Reads one JSON value, after a byte-order mark if there is one. Fails as gb_file_read, and with
// GB_BAD_INPUT, "`what`: PATH: line 3: ...", where the file is anything else.
enum gb_status gb_json_read(const char *what, const char *path, json_t **json);
// The same; *json is NULL where the file is missing.
enum gb_status gb_json_read_if_there(const char *what, const char *path, json_t **json);

// Appends the value on each line of a file to an array; blank lines are skipped. Fails as
// gb_json_read.
enum gb_status gb_json_lines_read(const char *what, const char *path, json_t *values);

// Writes indented JSON, atomically.
enum gb_status gb_json_write(const char *path, const json_t *json);

#endif
