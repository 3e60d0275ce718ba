// SPDX-License-Identifier: MIT
#include "tasks/data/masks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/parallel.h"

static const char cannot_read[] = "cannot read masks";

enum { HALF = 127 };

// ---- Values of one mask ----

static uint16_t value_at(const struct gb_image *image, size_t i) {
    return image->bits == 16 ? image->pixels16[i] : image->pixels[i];
}

static int luma(const unsigned char rgb[3]) {
    return (299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000;
}

// Replaces palette indices by greys where these are what the mask means: greys of any number, or
// one bright colour and one dark. Of others the order in the palette counts, as for the classes of
// PASCAL VOC, where 1 is a dark red. Returns whether a bright colour comes before a dark one.
static bool look_up_greys(struct gb_image_stored *stored) {
    const size_t pixels = (size_t)stored->image.w * (size_t)stored->image.h;
    unsigned char *pixel = stored->image.pixels;
    bool used[256] = {false}, grey = true, turned = false;
    int count = 0, bright = 0;
    for (size_t i = 0; i < pixels; i++)
        used[pixel[i]] = true;
    for (int i = 0; i < 256; i++)
        if (used[i]) {
            const unsigned char *rgb = stored->palette[i];
            grey = grey && rgb[0] == rgb[1] && rgb[0] == rgb[2];
            turned |= bright > 0 && luma(rgb) <= HALF;
            bright += luma(rgb) > HALF;
            count++;
        }
    const bool one_each = count <= 2 && bright == 1;
    for (size_t i = 0; (grey || one_each) && i < pixels; i++) {
        const int level = luma(stored->palette[pixel[i]]);
        pixel[i] = (unsigned char)(grey ? level : level > HALF ? 255 : 0);
    }
    return turned && (grey || one_each);
}

struct form {
    bool deep;   // white is 65535
    bool turned; // in the palette, white comes before black
};

// A mask's values; those that are black and white alone are 0 and 255 for any number of bits.
static enum gb_status read_values(const char *path, struct gb_image_stored *stored,
                                  struct form *form) {
    GB_TRY(gb_image_read_stored(path, stored));
    struct gb_image *image = &stored->image;
    form->turned = stored->has_palette && look_up_greys(stored);
    bool plain = image->bits == 16;
    const size_t pixels = (size_t)image->w * (size_t)image->h;
    for (size_t i = 0; plain && i < pixels; i++)
        plain = image->pixels16[i] == 0 || image->pixels16[i] == UINT16_MAX;
    for (size_t i = 0; plain && i < pixels; i++)
        image->pixels16[i] = image->pixels16[i] ? UINT8_MAX : 0;
    form->deep = image->bits == 16 && !plain;
    return GB_OK;
}

// ---- Survey ----

// The different values of masks, and what these are in 8 bits.
struct census {
    bool lossy, palette, turned;
    bool levels[UINT8_MAX + 1];
    unsigned char seen[(UINT16_MAX + 1) / 8];
};

struct survey {
    const struct gb_mask_files *files;
    struct census *censuses; // by mask
};

static void count_values(const struct gb_image_stored *stored, const struct form *form,
                         struct census *census) {
    const size_t pixels = (size_t)stored->image.w * (size_t)stored->image.h;
    census->lossy |= stored->lossy;
    census->palette |= stored->has_palette;
    census->turned |= form->turned;
    for (size_t i = 0; i < pixels; i++) {
        const uint16_t value = value_at(&stored->image, i);
        census->seen[value / 8] |= (unsigned char)(1 << value % 8);
        census->levels[form->deep ? (value * 255u + 32767) / 65535 : value & UINT8_MAX] = true;
    }
}

static enum gb_status survey_one(void *argument, int index) {
    const struct survey *survey = argument;
    struct gb_image_stored stored;
    char path[GB_PATH];
    GB_TRY(survey->files->path_of(survey->files->context, index, path));
    if (!*path)
        return GB_OK;
    struct form form;
    GB_TRY(read_values(path, &stored, &form));
    count_values(&stored, &form, &survey->censuses[index]);
    gb_image_free(&stored.image);
    return GB_OK;
}

// "0, 1, 2" and, after a dozen, "..., 255".
static void list_values(const uint16_t *values, int count, char text[static 128]) {
    enum { SHOWN = 12 };
    size_t used = 0;
    for (int i = 0; i < count; i++)
        if (i < SHOWN - 1 || i == count - 1)
            used += (size_t)snprintf(text + used, 128 - used, "%s%s%u", i ? ", " : "",
                                     i == count - 1 && count > SHOWN ? "..., " : "", values[i]);
}

static bool is_blurred(const struct census *census, int count) {
    const int needed = census->lossy ? 1 : 3;
    int dark = 0, bright = 0;
    if (!census->lossy && count <= GB_MASK_CLASSES)
        return false;
    for (int level = 0; level <= UINT8_MAX; level++) {
        dark += census->levels[level] && level <= HALF / 2;
        bright += census->levels[level] && level > UINT8_MAX - HALF / 2;
    }
    return dark >= needed && bright >= needed;
}

static enum gb_status decide(const struct gb_mask_files *files, const struct gb_source *source,
                             const struct census *census, uint16_t *values,
                             struct gb_mask_rule *rule) {
    int count = 0;
    for (int value = 0; value <= UINT16_MAX; value++)
        if (census->seen[value / 8] >> value % 8 & 1)
            values[count++] = (uint16_t)value;
    *rule = (struct gb_mask_rule){.foreground = UINT8_MAX};
    const char *what = census->palette ? "palette indices" : "values";
    if (count == 2) {
        rule->foreground = values[1];
        if (values[0] != 0 || values[1] != UINT8_MAX)
            gb_source_note(source, "%s: the masks' %s are %u and %u; %u is taken as foreground",
                           files->kind, what, values[0], values[1], values[1]);
        else if (census->turned)
            gb_source_note(source,
                           "%s: in the masks' palette the bright colour comes first; it is taken "
                           "as foreground",
                           files->kind);
        return GB_OK;
    }
    rule->grey = count > 2;
    if (count == 1 && values[0] != 0) // checked later for what it is
        rule->foreground = values[0];
    if (count <= 1 || is_blurred(census, count))
        return GB_OK;
    char text[128];
    list_values(values, count, text);
    return gb_fail(GB_BAD_INPUT, cannot_read, files->kind,
                   "the masks have %d %s, %s, and which of them are foreground is unknown; write "
                   "foreground as 255 and background as 0",
                   count, what, text);
}

// Of masks with grey edges, one of two values that half of white does not part.
static bool is_odd_one(const struct census *census) {
    int values = 0;
    bool dark = false, bright = false;
    for (int value = 0; value <= UINT16_MAX; value++)
        values += census->seen[value / 8] >> value % 8 & 1;
    for (int level = 0; level <= UINT8_MAX; level++) {
        dark |= census->levels[level] && level <= HALF;
        bright |= census->levels[level] && level > HALF;
    }
    return !census->lossy && values == 2 && !(dark && bright);
}

static enum gb_status check_odd_ones(const struct survey *survey) {
    const struct gb_mask_files *files = survey->files;
    for (int i = 0; i < files->count; i++)
        if (is_odd_one(&survey->censuses[i])) {
            char path[GB_PATH];
            GB_TRY(files->path_of(files->context, i, path));
            return gb_fail(GB_BAD_INPUT, cannot_read, path,
                           "two values, both on one side of half of white, and other masks have "
                           "grey edges; write foreground as 255 and background as 0");
        }
    return GB_OK;
}

static void join(struct census *all, const struct census *one) {
    all->lossy |= one->lossy;
    all->palette |= one->palette;
    all->turned |= one->turned;
    for (int level = 0; level <= UINT8_MAX; level++)
        all->levels[level] |= one->levels[level];
    for (size_t i = 0; i < sizeof all->seen; i++)
        all->seen[i] |= one->seen[i];
}

enum gb_status gb_mask_survey(const struct gb_mask_files *files, const struct gb_source *source,
                              struct gb_mask_rule *rule) {
    struct survey survey = {files, calloc((size_t)files->count + 1, sizeof *survey.censuses)};
    uint16_t *values = malloc((UINT16_MAX + 1) * sizeof *values);
    enum gb_status status =
        survey.censuses && values
            ? gb_parallel_tries(source->threads, files->count, survey_one, &survey)
            : gb_no_memory(cannot_read, files->kind);
    if (status == GB_OK) {
        struct census *all = &survey.censuses[files->count];
        for (int i = 0; i < files->count; i++)
            join(all, &survey.censuses[i]);
        status = decide(files, source, all, values, rule);
        if (status == GB_OK && rule->grey)
            status = check_odd_ones(&survey);
    }
    free(survey.censuses);
    free(values);
    return status;
}

// ---- Reading ----

enum gb_status gb_mask_read(const char *path, const struct gb_mask_rule *rule,
                            struct gb_image *mask) {
    struct gb_image_stored stored;
    struct form form;
    if (rule->grey)
        return gb_image_read(path, 1, mask);
    *mask = (struct gb_image){0};
    GB_TRY(read_values(path, &stored, &form));
    const enum gb_status status = gb_image_create(mask, stored.image.w, stored.image.h, 1, 8, path);
    const size_t pixels = (size_t)stored.image.w * (size_t)stored.image.h;
    for (size_t i = 0; status == GB_OK && i < pixels; i++)
        mask->pixels[i] = value_at(&stored.image, i) == rule->foreground ? 255 : 0;
    gb_image_free(&stored.image);
    return status;
}

enum gb_status gb_mask_check(const char *kind, enum gb_split split, const struct gb_source *source,
                             uint64_t foreground, uint64_t pixels) {
    if (source->uniform_masks || (foreground > 0 && foreground < pixels))
        return GB_OK;
    return gb_fail(GB_BAD_INPUT, cannot_read, kind,
                   "the masks of the %s split are all %s; --allow-uniform-masks uses them",
                   gb_split_name(split), foreground ? "foreground" : "background");
}
