// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // vasprintf
#include "base/files.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/atomic_file.h"

enum gb_status gb_path_join(const char *directory, const char *name, char path[static GB_PATH]) {
    if (snprintf(path, GB_PATH, "%s/%s", directory, name) >= GB_PATH)
        return gb_fail(GB_BAD_INPUT, "cannot use directory", directory, "the path is too long");
    return GB_OK;
}

enum gb_status gb_path_format(char path[static GB_PATH], const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(path, GB_PATH, format, arguments);
    va_end(arguments);
    return length < GB_PATH ? GB_OK
                            : gb_fail(GB_BAD_INPUT, "cannot use path", path, "it is too long");
}

char *gb_format(const char *format, ...) {
    char *text;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    return length < 0 ? NULL : text;
}

bool gb_is_directory(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

// Where text begins, after its byte-order mark if it has one; -1 where it is UTF-16 or not text.
static int text_start(const char *bytes, size_t count) {
    const unsigned char *start = (const unsigned char *)bytes;
    if (count >= 2 && (start[0] >= 0xfe || start[0] == 0 || start[1] == 0))
        return -1;
    return count >= 3 && memcmp(start, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

static enum gb_status not_text(const char *what, const char *path) {
    return gb_fail(GB_BAD_INPUT, what, path, "is UTF-16 or not text; UTF-8 is needed");
}

enum gb_status gb_text_open(const char *what, const char *path, FILE **stream) {
    char start[3];
    int count = 0, next;
    *stream = fopen(path, "r");
    if (!*stream)
        return gb_fail(GB_BAD_INPUT, what, path, "%s", strerror(errno));
    while (count < 3 && (next = getc(*stream)) != EOF)
        start[count++] = (char)next;
    const int begin = text_start(start, (size_t)count);
    if (begin < 0) {
        fclose(*stream);
        *stream = NULL;
        return not_text(what, path);
    }
    clearerr(*stream); // an error, such as a directory's, comes again with the first read
    while (count > begin)
        ungetc((unsigned char)start[--count], *stream);
    return GB_OK;
}

bool gb_is_missing(const char *path) {
    struct stat status;
    return stat(path, &status) != 0 && errno == ENOENT;
}

enum gb_status gb_make_directory(const char *what, const char *path) {
    char part[GB_PATH];
    GB_TRY(gb_path_join(path, "", part));
    for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (!gb_is_directory(part) && mkdir(part, 0777) != 0 && errno != EEXIST)
            return gb_fail(GB_IO_ERROR, what, part, "%s", strerror(errno));
        *slash = '/';
    }
    return gb_is_directory(path) ? GB_OK : gb_fail(GB_IO_ERROR, what, path, "not a directory");
}

enum gb_status gb_stream_read(const char *what, const char *where, FILE *stream, char **bytes,
                              size_t *count) {
    size_t capacity = 1 << 16, used = 0;
    char *all = malloc(capacity);
    rewind(stream); // fails on a pipe, which is at its start
    while (all && !feof(stream) && !ferror(stream)) {
        used += fread(all + used, 1, capacity - 1 - used, stream);
        if (used + 1 < capacity)
            continue;
        char *grown = realloc(all, capacity *= 2);
        if (!grown)
            free(all);
        all = grown;
    }
    *bytes = NULL;
    if (!all)
        return gb_no_memory(what, where);
    if (ferror(stream)) {
        const int error = errno;
        free(all);
        return gb_fail(error == EISDIR ? GB_BAD_INPUT : GB_IO_ERROR, what, where, "%s",
                       strerror(error));
    }
    all[used] = '\0';
    *bytes = all;
    *count = used;
    return GB_OK;
}

enum gb_status gb_file_read(const char *what, const char *path, char **bytes, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return gb_fail(GB_BAD_INPUT, what, path, "%s", strerror(errno));
    const enum gb_status status = gb_stream_read(what, path, file, bytes, size);
    fclose(file);
    return status;
}

// jansson cuts a string off where memory runs out, and goes on.
static _Thread_local bool ran_out;

static void *allocate(size_t bytes) {
    void *memory = malloc(bytes);
    ran_out = ran_out || !memory;
    return memory;
}

json_t *gb_json_parse(const char *text, size_t length, json_error_t *error) {
    json_set_alloc_funcs(allocate, free);
    ran_out = false;
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, error);
    if (!ran_out)
        return json;
    json_decref(json);
    snprintf(error->text, sizeof error->text, "out of memory");
    error->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory;
    return NULL;
}

enum gb_status gb_json_read(const char *what, const char *path, json_t **json) {
    json_error_t error;
    char *bytes;
    size_t size;
    *json = NULL;
    GB_TRY(gb_file_read(what, path, &bytes, &size));
    const int begin = text_start(bytes, size);
    if (begin >= 0)
        *json = gb_json_parse(bytes + begin, size - (size_t)begin, &error);
    free(bytes);
    if (begin < 0)
        return not_text(what, path);
    return *json ? GB_OK : gb_fail(GB_BAD_INPUT, what, path, "line %d: %s", error.line, error.text);
}

enum gb_status gb_json_read_if_there(const char *what, const char *path, json_t **json) {
    *json = NULL;
    return gb_is_missing(path) ? GB_OK : gb_json_read(what, path, json);
}

static bool is_blank(const char *line, size_t length) {
    for (size_t i = 0; i < length; i++)
        if (!isspace((unsigned char)line[i]))
            return false;
    return true;
}

static enum gb_status add_lines(char *lines, const char *end, const char *what, const char *path,
                                json_t *values) {
    for (int number = 1; lines < end; number++) {
        json_error_t error;
        const size_t left = (size_t)(end - lines);
        const char *newline = memchr(lines, '\n', left);
        const size_t length = newline ? (size_t)(newline - lines) : left;
        const bool blank = is_blank(lines, length);
        json_t *value = blank ? NULL : gb_json_parse(lines, length, &error);
        if (!value && !blank)
            return gb_fail(GB_BAD_INPUT, what, path, "line %d: %s", number, error.text);
        if (value && json_array_append_new(values, value) != 0)
            return gb_no_memory(what, path);
        lines += length + 1;
    }
    return GB_OK;
}

enum gb_status gb_json_lines_read(const char *what, const char *path, json_t *values) {
    char *bytes;
    size_t size;
    GB_TRY(gb_file_read(what, path, &bytes, &size));
    const int begin = text_start(bytes, size);
    const enum gb_status status = begin < 0
                                      ? not_text(what, path)
                                      : add_lines(bytes + begin, bytes + size, what, path, values);
    free(bytes);
    return status;
}

enum gb_status gb_file_write(const char *path, const char *bytes, size_t count) {
    struct gb_atomic_file file = {0};
    GB_TRY(gb_atomic_open(&file, path));
    fwrite(bytes, 1, count, file.stream);
    return gb_atomic_commit(&file);
}

enum gb_status gb_json_write(const char *path, const json_t *json) {
    struct gb_atomic_file file = {0};
    GB_TRY(gb_atomic_open(&file, path));
    bool dumped = json_dumpf(json, file.stream, JSON_INDENT(2)) == 0;
    if (!dumped && !ferror(file.stream)) {
        gb_atomic_abort(&file);
        return gb_no_memory("cannot write", path);
    }
    fputc('\n', file.stream);
    return gb_atomic_commit(&file);
}
