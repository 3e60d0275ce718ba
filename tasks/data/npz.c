// SPDX-License-Identifier: MIT
#include "tasks/data/npz.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <zip.h>

static const char what[] = "cannot read arrays";

// An array that is being read.
struct member {
    const char *path, *name; // for messages: the archive, and the member with its ".npy"
    zip_file_t *file;
    uint64_t bytes;  // of the member, as the archive's directory has it
    uint64_t header; // bytes of it before the values
};

// Reads exactly `bytes`.
static enum gb_status read_bytes(const struct member *m, void *to, uint64_t bytes) {
    const zip_int64_t read = zip_fread(m->file, to, bytes);
    if (read < 0)
        return gb_fail(GB_BAD_INPUT, what, m->path, "%s: %s", m->name, zip_file_strerror(m->file));
    if ((uint64_t)read < bytes)
        return gb_fail(GB_BAD_INPUT, what, m->path, "%s is truncated", m->name);
    return GB_OK;
}

// What follows KEY and its colon in the header's dictionary, such as "{'descr': '|u1',
// 'fortran_order': False, 'shape': (128116, 3072), }"; NULL where the key is not there.
static const char *find_value(const char *dictionary, const char *key) {
    const char *found = strstr(dictionary, key);
    if (!found)
        return NULL;
    found += strlen(key);
    found += strspn(found, " ");
    return *found == ':' ? found + 1 + strspn(found + 1, " ") : NULL;
}

static bool begins(const char *text, const char *prefix) {
    return text && strncmp(text, prefix, strlen(prefix)) == 0;
}

// "(128116, 3072)"; Python 2 wrote long integers as 128116L.
static bool parse_shape(const char *shape, unsigned long long *rows, unsigned long long *columns) {
    unsigned long long *const sizes[] = {rows, columns};
    for (int i = 0; i < 2; i++) {
        int end = 0;
        if (sscanf(shape, i == 0 ? " (%18llu%n" : " ,%18llu%n", sizes[i], &end) != 1 || end == 0)
            return false;
        shape += end;
        shape += *shape == 'L';
    }
    shape += strspn(shape, " ,"); // a last comma is allowed
    return *shape == ')';
}

static enum gb_status parse_dictionary(const struct member *m, const char *dictionary,
                                       struct gb_byte_matrix *matrix) {
    const char *type = find_value(dictionary, "'descr'");
    const char *order = find_value(dictionary, "'fortran_order'");
    const char *shape = find_value(dictionary, "'shape'");
    if (!type || !order || !shape)
        return gb_fail(GB_BAD_INPUT, what, m->path, "%s has a damaged header", m->name);
    if (!begins(type, "'|u1'") && !begins(type, "'u1'"))
        return gb_fail(GB_BAD_INPUT, what, m->path, "%s is of type %.*s, not of bytes ('|u1')",
                       m->name, (int)strcspn(type, ","), type);
    if (!begins(order, "False"))
        return gb_fail(GB_BAD_INPUT, what, m->path, "%s is not in C order", m->name);
    unsigned long long rows, columns;
    if (!parse_shape(shape, &rows, &columns))
        return gb_fail(GB_BAD_INPUT, what, m->path, "%s has the shape %.*s, not (images, values)",
                       m->name, (int)strcspn(shape, ")") + 1, shape);
    if (rows == 0 || columns == 0)
        return gb_fail(GB_BAD_INPUT, what, m->path, "%s is empty", m->name);
    const uint64_t values = m->bytes - m->header;
    if (values / columns != rows || values % columns != 0)
        return gb_fail(GB_BAD_INPUT, what, m->path, "%s has %llu bytes for %llu x %llu values",
                       m->name, (unsigned long long)values, rows, columns);
    matrix->rows = rows;
    matrix->columns = columns;
    return GB_OK;
}

// The header: "\x93NUMPY", the version's two bytes, the length of what follows in two bytes (four
// since version 2), low byte first, and a dictionary as Python writes it.
static enum gb_status read_header(struct member *m, struct gb_byte_matrix *matrix) {
    enum { LONGEST = 4096 };
    unsigned char start[8], length[4] = {0};
    GB_TRY(read_bytes(m, start, sizeof start));
    if (memcmp(start, "\x93NUMPY", 6) != 0 || start[6] < 1 || start[6] > 3)
        return gb_fail(GB_BAD_INPUT, what, m->path, "%s is not a NumPy array", m->name);
    const uint64_t length_bytes = start[6] == 1 ? 2 : 4;
    GB_TRY(read_bytes(m, length, length_bytes));
    const uint32_t bytes = (uint32_t)length[0] | (uint32_t)length[1] << 8 |
                           (uint32_t)length[2] << 16 | (uint32_t)length[3] << 24;
    m->header = sizeof start + length_bytes + bytes;
    if (bytes > LONGEST || m->header > m->bytes)
        return gb_fail(GB_BAD_INPUT, what, m->path, "%s has a damaged header", m->name);
    char dictionary[LONGEST + 1];
    GB_TRY(read_bytes(m, dictionary, bytes));
    dictionary[bytes] = 0;
    return parse_dictionary(m, dictionary, matrix);
}

static enum gb_status read_values(const struct member *m, struct gb_byte_matrix *matrix) {
    const uint64_t bytes = (uint64_t)matrix->rows * matrix->columns;
    matrix->values = malloc(bytes);
    if (!matrix->values)
        return gb_fail(GB_OUT_OF_MEMORY, what, m->path, "no memory for %llu bytes",
                       (unsigned long long)bytes);
    GB_TRY(read_bytes(m, matrix->values, bytes));
    // The checksum is compared where the member ends.
    unsigned char beyond;
    if (zip_fread(m->file, &beyond, 1) != 0)
        return gb_fail(GB_BAD_INPUT, what, m->path, "%s: %s", m->name, zip_file_strerror(m->file));
    return GB_OK;
}

// Before memory is taken for it: deflate compresses by at most 1032 to 1.
static enum gb_status check_size(const struct member *m) {
    enum { MOST_RATIO = 1032 };
    struct stat archive;
    if (stat(m->path, &archive) == 0 && m->bytes / MOST_RATIO > (uint64_t)archive.st_size)
        return gb_fail(GB_BAD_INPUT, what, m->path,
                       "%s cannot have %llu bytes in an archive of %lld bytes", m->name,
                       (unsigned long long)m->bytes, (long long)archive.st_size);
    return GB_OK;
}

static enum gb_status read_member(zip_t *archive, struct member *m, struct gb_byte_matrix *matrix) {
    zip_stat_t about;
    const zip_int64_t index = zip_name_locate(archive, m->name, 0);
    if (index < 0)
        return gb_fail(GB_BAD_INPUT, what, m->path, "holds no %s", m->name);
    if (zip_stat_index(archive, (zip_uint64_t)index, 0, &about) != 0 ||
        !(about.valid & ZIP_STAT_SIZE))
        return gb_fail(GB_BAD_INPUT, what, m->path, "%s: %s", m->name, zip_strerror(archive));
    m->bytes = about.size;
    GB_TRY(check_size(m));
    m->file = zip_fopen_index(archive, (zip_uint64_t)index, 0);
    if (!m->file)
        return gb_fail(GB_BAD_INPUT, what, m->path, "%s: %s", m->name, zip_strerror(archive));
    enum gb_status status = read_header(m, matrix);
    if (status == GB_OK)
        status = read_values(m, matrix);
    zip_fclose(m->file);
    return status;
}

enum gb_status gb_npz_read(const char *path, const char *name, struct gb_byte_matrix *matrix) {
    *matrix = (struct gb_byte_matrix){0};
    int error;
    zip_t *archive = zip_open(path, ZIP_RDONLY, &error);
    if (!archive) {
        zip_error_t reason;
        zip_error_init_with_code(&reason, error);
        const enum gb_status status =
            gb_fail(GB_BAD_INPUT, what, path, "%s", zip_error_strerror(&reason));
        zip_error_fini(&reason);
        return status;
    }
    char member[256];
    snprintf(member, sizeof member, "%s.npy", name);
    const enum gb_status status =
        read_member(archive, &(struct member){.path = path, .name = member}, matrix);
    zip_discard(archive);
    if (status != GB_OK)
        gb_byte_matrix_free(matrix);
    return status;
}

void gb_byte_matrix_free(struct gb_byte_matrix *matrix) {
    free(matrix->values);
    *matrix = (struct gb_byte_matrix){0};
}
