// SPDX-License-Identifier: MIT
// Files for tests to read: a folder of their own and small images. Each function fails the test
// where the system refuses.
#ifndef GB_FIXTURE_H
#define GB_FIXTURE_H

#include <stddef.h>

// Makes an empty folder for one test; the fixture functions below name files inside it. Fits
// cmocka's setup and teardown.
int gb_fixture_setup(void **state);
int gb_fixture_teardown(void **state);

// The path of `name` in the folder; "" is the folder itself. Valid for the next 8 calls.
const char *gb_fixture_path(const char *name);

void gb_fixture_folder(const char *name);
void gb_fixture_file(const char *name, const void *bytes, size_t size);
void gb_fixture_text(const char *name, const char *text);
// How many entries the folder `name` has.
int gb_fixture_entries(const char *name);

// Writes a JPEG of w x h pixels, c = 1 or 3, of the bytes that value(x, y, channel) gives.
void gb_fixture_jpeg(const char *name, int w, int h, int c,
                     int (*value)(int x, int y, int channel));
// Cuts a file to `size` bytes.
void gb_fixture_truncate(const char *name, size_t size);
size_t gb_fixture_size(const char *name);

#endif
