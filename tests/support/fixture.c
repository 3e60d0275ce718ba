// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // nftw
#include "tests/support/fixture.h"
#include "tests/support/test.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gif_lib.h>
#include <jpeglib.h>
#include <png.h>
#include <tiffio.h>

#include "base/hash.h"

enum { PATH_SIZE = 4096 };
static char directory[PATH_SIZE];

int gb_fixture_setup(void **state) {
    (void)state;
    const char *temporary = getenv("TMPDIR");
    snprintf(directory, sizeof directory, "%s/glowbench-test-XXXXXX",
             temporary && *temporary ? temporary : "/tmp");
    return mkdtemp(directory) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk) {
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

int gb_fixture_teardown(void **state) {
    (void)state;
    enum { OPEN_FOLDERS = 16 };
    return nftw(directory, remove_entry, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
}

int gb_fixture_teardown_one_file(void **state) {
    const int left = gb_fixture_entries("");
    return gb_fixture_teardown(state) || left > 1;
}

void gb_fixture_use(const char *path) {
    snprintf(directory, sizeof directory, "%s", path);
}

const char *gb_fixture_path(const char *name) {
    enum { PATHS = 8 };
    static char paths[PATHS][2 * PATH_SIZE];
    static int next;
    char *path = paths[next++ % PATHS];
    snprintf(path, sizeof *paths, "%s%s%s", directory, *name ? "/" : "", name);
    return path;
}

const char *gb_fixture_name(const char *format, ...) {
    enum { NAMES = 8 };
    static char names[NAMES][PATH_SIZE];
    static int next;
    char *name = names[next++ % NAMES];
    va_list arguments;
    va_start(arguments, format);
    assert_in_range(vsnprintf(name, sizeof *names, format, arguments), 1, sizeof *names - 1);
    va_end(arguments);
    return name;
}

static void make_directory(const char *path) {
    assert_true(mkdir(path, 0777) == 0 || errno == EEXIST);
}

// The path of a file that is about to be written, in directories that exist.
static const char *new_file(const char *name) {
    char parent[2 * PATH_SIZE];
    const char *path = gb_fixture_path(name);
    snprintf(parent, sizeof parent, "%s", path);
    for (char *slash = parent + strlen(directory) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        make_directory(parent);
        *slash = '/';
    }
    return path;
}

void gb_fixture_directory(const char *name) {
    make_directory(new_file(name));
}

void gb_fixture_file(const char *name, const void *bytes, size_t size) {
    FILE *stream = fopen(new_file(name), "wb");
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

static void write_jpeg(const char *name, int w, int h, int c, const jpeg_scan_info *scans,
                       int count, gb_fixture_value value) {
    FILE *stream = fopen(new_file(name), "wb");
    assert_non_null(stream);
    struct jpeg_compress_struct encoder;
    struct jpeg_error_mgr errors; // an error of the encoder ends the test program
    encoder.err = jpeg_std_error(&errors);
    jpeg_create_compress(&encoder);
    jpeg_stdio_dest(&encoder, stream);
    encoder.image_width = (JDIMENSION)w;
    encoder.image_height = (JDIMENSION)h;
    encoder.input_components = c;
    encoder.in_color_space = c == 1 ? JCS_GRAYSCALE : c == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&encoder);
    jpeg_set_quality(&encoder, 100, TRUE);
    encoder.scan_info = scans;
    encoder.num_scans = count;
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

void gb_fixture_jpeg(const char *name, int w, int h, int c, gb_fixture_value value) {
    write_jpeg(name, w, h, c, NULL, 0, value);
}

void gb_fixture_progressive_jpeg(const char *name, int w, int h, int scans,
                                 gb_fixture_value value) {
    enum { BITS = 10, MOST_SCANS = 1 + 63 * BITS };
    static jpeg_scan_info list[MOST_SCANS];
    assert_true(scans >= 1 && scans <= MOST_SCANS);
    list[0] = (jpeg_scan_info){.comps_in_scan = 1};
    for (int i = 1; i < MOST_SCANS; i++) {
        const int coefficient = 1 + (i - 1) / BITS, low = BITS - 1 - (i - 1) % BITS;
        list[i] = (jpeg_scan_info){.comps_in_scan = 1,
                                   .Ss = coefficient,
                                   .Se = coefficient,
                                   .Ah = low == BITS - 1 ? 0 : low + 1,
                                   .Al = low};
    }
    write_jpeg(name, w, h, 1, list, scans, value);
}

int gb_fixture_palette(int place, int channel) {
    return channel == 0 ? place : (place * (channel == 1 ? 7 : 11) + 100) % 256;
}

// One row as values of 8 or 16 bits in this machine's order.
static void fill_row(void *row, int w, int samples, int bits, int y, gb_fixture_value value) {
    for (int i = 0; i < w * samples; i++)
        if (bits == 16)
            ((uint16_t *)row)[i] = (uint16_t)value(i / samples, y, i % samples);
        else
            ((unsigned char *)row)[i] = (unsigned char)value(i / samples, y, i % samples);
}

void gb_fixture_png(const char *name, int w, int h, int colour_type, int bits, bool interlaced,
                    gb_fixture_value value) {
    FILE *stream = fopen(new_file(name), "wb");
    assert_non_null(stream);
    // Without handlers an error of libpng's prints and jumps, here to abort.
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_init_io(png, stream);
    png_set_IHDR(png, info, (png_uint_32)w, (png_uint_32)h, bits, colour_type,
                 interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_color palette[256];
    for (int i = 0; i < 256; i++)
        palette[i] =
            (png_color){(png_byte)gb_fixture_palette(i, 0), (png_byte)gb_fixture_palette(i, 1),
                        (png_byte)gb_fixture_palette(i, 2)};
    if (colour_type == PNG_COLOR_TYPE_PALETTE)
        png_set_PLTE(png, info, palette, 1 << bits);
    png_write_info(png, info);
    png_set_packing(png);
    png_set_swap(png);
    const int samples = png_get_channels(png, info);
    void *row = calloc((size_t)w * (size_t)samples, sizeof(uint16_t));
    assert_non_null(row);
    for (int pass = png_set_interlace_handling(png); pass > 0; pass--)
        for (int y = 0; y < h; y++) {
            fill_row(row, w, samples, bits, y, value);
            png_write_row(png, row);
        }
    png_write_end(png, info);
    png_destroy_write_struct(&png, &info);
    free(row);
    assert_int_equal(fclose(stream), 0);
}

void gb_fixture_pnm(const char *name, int w, int h, char kind, int largest,
                    gb_fixture_value value) {
    FILE *stream = fopen(new_file(name), "wb");
    assert_non_null(stream);
    const int samples = kind == '3' || kind == '6' ? 3 : 1;
    fprintf(stream, "P%c\n# a comment\n%d %d\n%d\n", kind, w, h, largest);
    for (int y = 0; y < h; y++)
        for (int i = 0; i < w * samples; i++) {
            const int v = value(i / samples, y, i % samples);
            if (kind == '2' || kind == '3') {
                fprintf(stream, i % 8 == 7 ? "%d\n" : "%d ", v);
                continue;
            }
            if (largest > 255)
                putc(v >> 8, stream);
            putc(v & 255, stream);
        }
    assert_int_equal(fclose(stream), 0);
}

void gb_fixture_tiff(const char *name, int w, int h, int photometric, int samples, int bits,
                     int compression, gb_fixture_value value) {
    TIFF *tiff = TIFFOpen(new_file(name), "w");
    assert_non_null(tiff);
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, (uint32_t)w);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, (uint32_t)h);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, bits);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, samples);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, photometric);
    TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, compression);
    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, 7);
    const int colours = photometric == PHOTOMETRIC_SEPARATED                                 ? 4
                        : photometric == PHOTOMETRIC_RGB || photometric == PHOTOMETRIC_YCBCR ? 3
                                                                                             : 1;
    if (photometric == PHOTOMETRIC_YCBCR)
        TIFFSetField(tiff, TIFFTAG_YCBCRSUBSAMPLING, 1, 1);
    const int extra = samples - colours;
    const uint16_t alpha[] = {EXTRASAMPLE_UNASSALPHA, EXTRASAMPLE_UNSPECIFIED};
    if (extra > 0)
        TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, extra, alpha);
    uint16_t palette[3][256];
    for (int i = 0; i < 3 * 256; i++)
        palette[i / 256][i % 256] = (uint16_t)(gb_fixture_palette(i % 256, i / 256) * 257);
    if (photometric == PHOTOMETRIC_PALETTE)
        TIFFSetField(tiff, TIFFTAG_COLORMAP, palette[0], palette[1], palette[2]);
    void *row = calloc((size_t)w * (size_t)samples, sizeof(uint16_t));
    assert_non_null(row);
    for (int y = 0; y < h; y++) {
        fill_row(row, w, samples, bits, y, value);
        assert_int_equal(TIFFWriteScanline(tiff, row, (uint32_t)y, 0), 1);
    }
    TIFFClose(tiff);
    free(row);
}

void gb_fixture_tiff_stored(const char *name, int w, int h, int samples, int bits, bool tiled,
                            bool apart, gb_fixture_value value) {
    enum { SIDE = 16 };
    TIFF *tiff = TIFFOpen(new_file(name), "w");
    assert_non_null(tiff);
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, (uint32_t)w);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, (uint32_t)h);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, bits);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, samples);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC,
                 samples == 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK);
    TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, apart ? PLANARCONFIG_SEPARATE : PLANARCONFIG_CONTIG);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_LZW);
    if (tiled) {
        TIFFSetField(tiff, TIFFTAG_TILEWIDTH, SIDE);
        TIFFSetField(tiff, TIFFTAG_TILELENGTH, SIDE);
    } else
        TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, 7);
    const int block_w = tiled ? SIDE : w, block_h = tiled ? SIDE : 1;
    const int together = apart ? 1 : samples;
    uint16_t *block = calloc((size_t)(block_w * block_h * together), sizeof *block);
    assert_non_null(block);
    for (int plane = 0; plane < samples / together; plane++)
        for (int y = 0; y < h; y += block_h)
            for (int x = 0; x < w; x += block_w) {
                for (int i = 0; i < block_w * block_h * together; i++) {
                    const int pixel = i / together, channel = apart ? plane : i % together;
                    const int v = value(x + pixel % block_w, y + pixel / block_w, channel);
                    if (bits == 16)
                        block[i] = (uint16_t)v;
                    else
                        ((unsigned char *)block)[i] = (unsigned char)v;
                }
                if (tiled)
                    assert_true(TIFFWriteTile(tiff, block, (uint32_t)x, (uint32_t)y, 0,
                                              (uint16_t)plane) > 0);
                else
                    assert_int_equal(TIFFWriteScanline(tiff, block, (uint32_t)y, (uint16_t)plane),
                                     1);
            }
    TIFFClose(tiff);
    free(block);
}

void gb_fixture_gif(const char *name, int w, int h, bool interlaced, gb_fixture_value value) {
    int error;
    GifFileType *gif = EGifOpenFileName(new_file(name), false, &error);
    assert_non_null(gif);
    GifColorType colours[256];
    for (int i = 0; i < 256; i++)
        colours[i] = (GifColorType){(GifByteType)gb_fixture_palette(i, 0),
                                    (GifByteType)gb_fixture_palette(i, 1),
                                    (GifByteType)gb_fixture_palette(i, 2)};
    ColorMapObject *palette = GifMakeMapObject(256, colours);
    assert_non_null(palette);
    assert_int_equal(EGifPutScreenDesc(gif, w, h, 8, 0, palette), GIF_OK);
    assert_int_equal(EGifPutComment(gif, "a comment"), GIF_OK);
    assert_int_equal(EGifPutImageDesc(gif, 0, 0, w, h, interlaced, NULL), GIF_OK);
    GifPixelType *row = malloc((size_t)w);
    assert_non_null(row);
    static const int first[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2};
    for (int pass = 0; pass < (interlaced ? 4 : 1); pass++)
        for (int y = first[pass]; y < h; y += interlaced ? step[pass] : 1) {
            fill_row(row, w, 1, 8, y, value);
            assert_int_equal(EGifPutLine(gif, row, w), GIF_OK);
        }
    free(row);
    GifFreeMapObject(palette);
    assert_int_equal(EGifCloseFile(gif, &error), GIF_OK);
}

uint64_t gb_fixture_hash(const void *bytes, size_t count) {
    return gb_hash_bytes(GB_HASH_BASIS, bytes, count);
}

size_t gb_fixture_size(const char *name) {
    struct stat status;
    assert_int_equal(stat(gb_fixture_path(name), &status), 0);
    return (size_t)status.st_size;
}

void *gb_fixture_bytes(const char *name, size_t *size) {
    *size = gb_fixture_size(name);
    void *bytes = malloc(*size + 1);
    FILE *stream = fopen(gb_fixture_path(name), "rb");
    assert_true(bytes && stream);
    assert_int_equal(fread(bytes, 1, *size, stream), *size);
    fclose(stream);
    return bytes;
}

void gb_fixture_truncate(const char *name, size_t size) {
    assert_int_equal(truncate(gb_fixture_path(name), (off_t)size), 0);
}
