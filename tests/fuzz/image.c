// SPDX-License-Identifier: MIT
// Every image format: the reader finds it from the content, so that each format has a corpus of its
// own and this one target.
#include "tests/fuzz/fuzz.h"

#include "tasks/images/image.h"

void gb_fuzz_image(const uint8_t *bytes, size_t size) {
    const char *path = gb_fuzz_file("image", bytes, size);
    struct gb_image image;
    for (int channels = 1; channels <= 3; channels += 2)
        if (gb_image_read(path, channels, &image) == GB_OK)
            gb_image_free(&image);
    if (gb_image_read_grey16(path, &image) == GB_OK)
        gb_image_free(&image);
    struct gb_image_stored stored;
    if (gb_image_read_stored(path, &stored) == GB_OK)
        gb_image_free(&stored.image);
    int w, h;
    gb_image_probe(path, &w, &h);
}
