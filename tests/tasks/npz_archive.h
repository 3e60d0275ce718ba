// SPDX-License-Identifier: MIT
// NumPy archives as numpy.savez writes them.
#ifndef GB_NPZ_ARCHIVE_H
#define GB_NPZ_ARCHIVE_H

#include <stdlib.h>
#include <string.h>
#include <zip.h>

#include "tests/support/fixture.h"

// An archive of "labels.npy" and `member`, both of these bytes.
static inline void write_archive(const char *name, const char *member, const void *bytes,
                                 size_t size, zip_int32_t compression) {
    int error;
    gb_fixture_text(name, "");
    zip_t *archive = zip_open(gb_fixture_path(name), ZIP_CREATE | ZIP_TRUNCATE, &error);
    assert_non_null(archive);
    const char *const members[] = {"labels.npy", member};
    for (int i = 0; i < 2; i++) {
        zip_source_t *source = zip_source_buffer(archive, bytes, size, 0);
        assert_non_null(source);
        const zip_int64_t index = zip_file_add(archive, members[i], source, ZIP_FL_OVERWRITE);
        assert_true(index >= 0);
        assert_int_equal(zip_set_file_compression(archive, (zip_uint64_t)index, compression, 0), 0);
    }
    assert_int_equal(zip_close(archive), 0);
}

// An archive with an array "data" of `values` bytes, with a header of format `version`.
static inline void write_array(const char *name, const char *dictionary, int version,
                               const void *values, size_t count, zip_int32_t compression) {
    const size_t prefix = version == 1 ? 10 : 12;
    const size_t length = (prefix + strlen(dictionary) + 1 + 63) / 64 * 64 - prefix;
    char *bytes = malloc(prefix + length + count);
    assert_non_null(bytes);
    memset(bytes, ' ', prefix + length);
    memset(bytes, 0, prefix);
    memcpy(bytes, "\x93NUMPY", 6);
    bytes[6] = (char)version;
    bytes[8] = (char)(length & 255);
    bytes[9] = (char)(length >> 8);
    memcpy(bytes + prefix, dictionary, strlen(dictionary));
    bytes[prefix + length - 1] = '\n';
    memcpy(bytes + prefix + length, values, count);
    write_archive(name, "data.npy", bytes, prefix + length + count, compression);
    free(bytes);
}

#endif
