// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // vasprintf
#include "base/files.h"

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

enum gb_status gb_text_open(const char *what, const char *path, FILE **stream) {
    enum { MARK = 3 };
    int start[MARK], count = 0;
    *stream = fopen(path, "r");
    if (!*stream)
        return gb_fail(GB_BAD_INPUT, what, path, "%s", strerror(errno));
    while (count < MARK && (start[count] = getc(*stream)) != EOF)
        count++;
    if (count >= 2 && (start[0] >= 0xfe || start[0] == 0 || start[1] == 0)) {
        fclose(*stream);
        *stream = NULL;
        return gb_fail(GB_BAD_INPUT, what, path, "is UTF-16 or not text; UTF-8 is needed");
    }
    const bool marked = count == MARK && start[0] == 0xef && start[1] == 0xbb && start[2] == 0xbf;
    clearerr(*stream); // an error, such as a directory's, comes again with the first read
    while (!marked && count > 0)
        ungetc(start[--count], *stream);
    return GB_OK;
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
    *bytes = NULL;
    const long size = fseek(stream, 0, SEEK_END) == 0 ? ftell(stream) : -1;
    if (size < 0 || fseek(stream, 0, SEEK_SET) != 0)
        return gb_fail(GB_IO_ERROR, what, where, "%s", strerror(errno));
    char *content = malloc((size_t)size + 1);
    if (!content)
        return gb_no_memory(what, where);
    *count = fread(content, 1, (size_t)size, stream);
    if (*count < (size_t)size) {
        free(content);
        return gb_fail(GB_IO_ERROR, what, where, "%s",
                       ferror(stream) ? strerror(errno) : "it became shorter");
    }
    content[*count] = '\0';
    *bytes = content;
    return GB_OK;
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

enum gb_status gb_json_read(const char *what, const char *path, json_t **json) {
    FILE *file;
    json_error_t error;
    *json = NULL;
    GB_TRY(gb_text_open(what, path, &file));
    errno = 0;
    *json = json_loadf(file, JSON_REJECT_DUPLICATES, &error);
    const bool unreadable = ferror(file); // a directory opens, but does not read
    const int reason = errno;
    fclose(file);
    if (*json)
        return GB_OK;
    return unreadable ? gb_fail(GB_BAD_INPUT, what, path, "%s", strerror(reason))
                      : gb_fail(GB_BAD_INPUT, what, path, "line %d: %s", error.line, error.text);
}

static enum gb_status read_lines(FILE *file, const char *what, const char *path, json_t *values) {
    char *line = NULL;
    size_t capacity = 0;
    ssize_t length;
    enum gb_status status = GB_OK;
    for (int number = 1; status == GB_OK && (length = getline(&line, &capacity, file)) > 0;
         number++) {
        json_error_t error;
        json_t *value = json_loadb(line, (size_t)length, JSON_REJECT_DUPLICATES, &error);
        if (!value)
            status = gb_fail(GB_BAD_INPUT, what, path, "line %d: %s", number, error.text);
        else if (json_array_append_new(values, value) != 0)
            status = gb_no_memory(what, path);
    }
    if (status == GB_OK && !feof(file)) // a directory opens, but does not read
        status = gb_fail(GB_BAD_INPUT, what, path, "%s", strerror(errno));
    free(line);
    return status;
}

enum gb_status gb_json_lines_read(const char *what, const char *path, json_t *values) {
    FILE *file;
    GB_TRY(gb_text_open(what, path, &file));
    enum gb_status status = read_lines(file, what, path, values);
    fclose(file);
    return status;
}
