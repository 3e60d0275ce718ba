// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // nftw
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "fixture.h"

#include <dirent.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jpeglib.h>

enum { PATH_SIZE = 4096 };
static char folder[PATH_SIZE];

int gb_fixture_setup(void **state) {
    (void)state;
    const char *temporary = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/glowbench-test-XXXXXX",
             temporary && *temporary ? temporary : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk) {
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

int gb_fixture_teardown(void **state) {
    (void)state;
    enum { OPEN_FOLDERS = 16 };
    return nftw(folder, remove_entry, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
}

const char *gb_fixture_path(const char *name) {
    enum { PATHS = 8 };
    static char paths[PATHS][2 * PATH_SIZE];
    static int next;
    char *path = paths[next++ % PATHS];
    snprintf(path, sizeof *paths, "%s%s%s", folder, *name ? "/" : "", name);
    return path;
}

void gb_fixture_folder(const char *name) {
    assert_int_equal(mkdir(gb_fixture_path(name), 0777), 0);
}

void gb_fixture_file(const char *name, const void *bytes, size_t size) {
    FILE *stream = fopen(gb_fixture_path(name), "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, size, stream), size);
    assert_int_equal(fclose(stream), 0);
}

void gb_fixture_text(const char *name, const char *text) {
    gb_fixture_file(name, text, strlen(text));
}

int gb_fixture_entries(const char *name) {
    DIR *entries = opendir(gb_fixture_path(name));
    assert_non_null(entries);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(entries));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(entries);
    return count;
}

void gb_fixture_jpeg(const char *name, int w, int h, int c,
                     int (*value)(int x, int y, int channel)) {
    FILE *stream = fopen(gb_fixture_path(name), "wb");
    assert_non_null(stream);
    struct jpeg_compress_struct encoder;
    struct jpeg_error_mgr errors; // an error of the encoder ends the test program
    encoder.err = jpeg_std_error(&errors);
    jpeg_create_compress(&encoder);
    jpeg_stdio_dest(&encoder, stream);
    encoder.image_width = (JDIMENSION)w;
    encoder.image_height = (JDIMENSION)h;
    encoder.input_components = c;
    encoder.in_color_space = c == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&encoder);
    jpeg_set_quality(&encoder, 100, TRUE);
    jpeg_start_compress(&encoder, TRUE);
    JSAMPLE *row = malloc((size_t)w * (size_t)c);
    assert_non_null(row);
    for (int y = 0; y < h; y++) {
        for (int i = 0; i < w * c; i++)
            row[i] = (JSAMPLE)value(i / c, y, i % c);
        jpeg_write_scanlines(&encoder, &row, 1);
    }
    jpeg_finish_compress(&encoder);
    jpeg_destroy_compress(&encoder);
    free(row);
    assert_int_equal(fclose(stream), 0);
}

size_t gb_fixture_size(const char *name) {
    struct stat status;
    assert_int_equal(stat(gb_fixture_path(name), &status), 0);
    return (size_t)status.st_size;
}

void gb_fixture_truncate(const char *name, size_t size) {
    assert_int_equal(truncate(gb_fixture_path(name), (off_t)size), 0);
}
