// SPDX-License-Identifier: MIT
// Writes the binary seeds, DIRECTORY/TARGET/*; those of text are in tests/fuzz/corpus.
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>
#include <zip.h>

#include "flows/files/safetensors.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"

enum { W = 9, H = 8 };

static int detail(int x, int y, int channel) {
    return (x * 37 + y * 11 + channel * 101) & 255;
}

static int one_bit(int x, int y, int channel) {
    return (x + y + channel) & 1;
}

static void write_images(void) {
    gb_fixture_png("png/grey1", W, H, PNG_COLOR_TYPE_GRAY, 1, false, one_bit);
    gb_fixture_png("png/grey16", W, H, PNG_COLOR_TYPE_GRAY, 16, false, detail);
    gb_fixture_png("png/rgb", W, H, PNG_COLOR_TYPE_RGB, 8, true, detail);
    gb_fixture_png("png/rgba", W, H, PNG_COLOR_TYPE_RGB_ALPHA, 8, false, detail);
    gb_fixture_png("png/palette", W, H, PNG_COLOR_TYPE_PALETTE, 8, false, detail);
    gb_fixture_jpeg("jpeg/grey", W, H, 1, detail);
    gb_fixture_jpeg("jpeg/rgb", W, H, 3, detail);
    gb_fixture_jpeg("jpeg/cmyk", W, H, 4, detail);
    gb_fixture_progressive_jpeg("jpeg/progressive", W, H, 6, detail);
    gb_fixture_pnm("pnm/plain_grey", W, H, '2', 255, detail);
    gb_fixture_pnm("pnm/plain_rgb", W, H, '3', 255, detail);
    gb_fixture_pnm("pnm/grey16", W, H, '5', 1000, detail);
    gb_fixture_pnm("pnm/rgb", W, H, '6', 255, detail);
    gb_fixture_text("pnm/plain_bitmap", "P1\n# a comment\n9 2\n101010101\n0 1 0 1 0 1 0 1 0\n");
    gb_fixture_file("pnm/bitmap", "P4\n9 2\n\xaa\x80\x55\x00", 11);
    gb_fixture_tiff("tiff/grey", W, H, PHOTOMETRIC_MINISWHITE, 1, 8, COMPRESSION_LZW, detail);
    gb_fixture_tiff("tiff/grey16", W, H, PHOTOMETRIC_MINISBLACK, 1, 16, COMPRESSION_NONE, detail);
    gb_fixture_tiff("tiff/rgb", W, H, PHOTOMETRIC_RGB, 3, 8, COMPRESSION_PACKBITS, detail);
    gb_fixture_tiff("tiff/rgba", W, H, PHOTOMETRIC_RGB, 4, 8, COMPRESSION_ADOBE_DEFLATE, detail);
    gb_fixture_tiff("tiff/palette", W, H, PHOTOMETRIC_PALETTE, 1, 8, COMPRESSION_LZW, detail);
    gb_fixture_tiff_stored("tiff/tiles", 2 * W, 2 * H, 3, 8, true, false, detail);
    gb_fixture_tiff_stored("tiff/tiles_apart", 2 * W, 2 * H, 3, 16, true, true, detail);
    gb_fixture_tiff_stored("tiff/planes", W, H, 3, 8, false, true, detail);
    gb_fixture_gif("gif/rows", W, H, false, detail);
    gb_fixture_gif("gif/interlaced", W, H, true, detail);
}

// An array of 2 x 3 bytes as numpy.save writes it.
static void write_archive(const char *name, zip_int32_t compression) {
    static const char array[] =
        "\x93NUMPY\x01\x00\x46\x00"
        "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }           \nabcdef";
    int error;
    zip_t *archive = zip_open(gb_fixture_path(name), ZIP_CREATE | ZIP_TRUNCATE, &error);
    assert_non_null(archive);
    zip_source_t *source = zip_source_buffer(archive, array, sizeof array - 1, 0);
    const zip_int64_t index = zip_file_add(archive, "data.npy", source, 0);
    assert_true(index >= 0);
    assert_int_equal(zip_set_file_compression(archive, (zip_uint64_t)index, compression, 0), 0);
    assert_int_equal(zip_close(archive), 0);
}

static void write_tensors(const char *name) {
    static const struct gb_tensor_entry list[] = {{"a", 2, {2, 3}}, {"b.scalar", 0, {0}}};
    static const float elements[6] = {1, 2, 3, 4, 5, 6};
    json_t *metadata = json_pack("{s:s}", "task", "horses");
    struct gb_safetensors_writer writer;
    assert_int_equal(gb_safetensors_begin(&writer, gb_fixture_path(name), list, 2, metadata),
                     GB_OK);
    for (int i = 0; i < 2; i++)
        gb_safetensors_append(&writer, elements);
    assert_int_equal(gb_safetensors_commit(&writer), GB_OK);
    json_decref(metadata);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: fuzz_seeds DIRECTORY, which is empty\n");
        return 2;
    }
    gb_fixture_use(argv[1]);
    write_images();
    gb_fixture_directory("npz");
    write_archive("npz/stored", ZIP_CM_STORE);
    write_archive("npz/deflated", ZIP_CM_DEFLATE);
    gb_fixture_directory("safetensors");
    write_tensors("safetensors/two");
    gb_fixture_directory("checkpoint");
    gb_fuzz_save_checkpoint(gb_fixture_path("checkpoint/cglow"));
    return 0;
}
