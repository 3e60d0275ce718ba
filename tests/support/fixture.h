// SPDX-License-Identifier: MIT
// Files for tests to read: a directory of their own and small images. Each function fails the test
// where the system refuses.
#ifndef GB_FIXTURE_H
#define GB_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/support/test.h"

// Makes an empty directory for one test; the fixture functions below name files inside it. Fits
// cmocka's setup and teardown.
int gb_fixture_setup(void **state);
int gb_fixture_teardown(void **state);
// Fails where more than one file was left behind.
int gb_fixture_teardown_one_file(void **state);

// A test case in such a directory.
#define GB_FIXTURE_TEST(name) GB_TEST_WITH(name, gb_fixture_setup, gb_fixture_teardown)

// Uses a directory that exists, for programs that make files to keep.
void gb_fixture_use(const char *path);

// The path of `name` in the directory; "" is the directory itself. Valid for the next 8 calls.
const char *gb_fixture_path(const char *name);

// A name made as printf does. Valid for the next 8 calls.
const char *gb_fixture_name(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Whatever is written, the directories that its name contains are made first.
void gb_fixture_directory(const char *name);
void gb_fixture_file(const char *name, const void *bytes, size_t size);
void gb_fixture_text(const char *name, const char *text);
// How many entries the directory `name` has.
int gb_fixture_entries(const char *name);

// Images of w x h pixels of what value(x, y, channel) gives.
typedef int (*gb_fixture_value)(int x, int y, int channel);

// c = 1 or 3, or 4 for CMYK.
void gb_fixture_jpeg(const char *name, int w, int h, int c, gb_fixture_value value);
// Grey, progressive, in 1 to 631 scans: after the first, each holds one bit of one coefficient.
void gb_fixture_progressive_jpeg(const char *name, int w, int h, int scans, gb_fixture_value value);
// `colour_type` and `bits` as libpng has them; alpha is the last channel.
void gb_fixture_png(const char *name, int w, int h, int colour_type, int bits, bool interlaced,
                    gb_fixture_value value);
// `kind` is '2' or '3' (plain), '5' or '6' (raw); colour where it is '3' or '6'.
void gb_fixture_pnm(const char *name, int w, int h, char kind, int largest, gb_fixture_value value);
// `photometric` and `compression` as libtiff has them; samples beyond those of the colour are
// alpha. Strips of 7 rows.
void gb_fixture_tiff(const char *name, int w, int h, int photometric, int samples, int bits,
                     int compression, gb_fixture_value value);
// Of grey or RGB with LZW, in tiles of 16 x 16 or strips, with a plane for each channel or without.
void gb_fixture_tiff_stored(const char *name, int w, int h, int samples, int bits, bool tiled,
                            bool apart, gb_fixture_value value);
void gb_fixture_gif(const char *name, int w, int h, bool interlaced, gb_fixture_value value);
// Where an image has a palette, values are places in this one of 256 different colours.
int gb_fixture_palette(int place, int channel);

// FNV-1a of bytes, for data that must stay bitwise identical.
uint64_t gb_fixture_hash(const void *bytes, size_t count);

// Cuts a file to `size` bytes.
void gb_fixture_truncate(const char *name, size_t size);
size_t gb_fixture_size(const char *name);
// A file's bytes, to be freed.
void *gb_fixture_bytes(const char *name, size_t *size);

#endif
