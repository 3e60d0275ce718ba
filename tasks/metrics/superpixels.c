// SPDX-License-Identifier: MIT
#define _GNU_SOURCE // getline
#include "tasks/metrics/superpixels.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/files.h"
#include "tasks/images/resize.h"
#include "tasks/metrics/metrics.h"

static enum gb_status create(struct gb_superpixels *superpixels, int w, int h) {
    *superpixels = (struct gb_superpixels){.w = w, .h = h};
    superpixels->labels = malloc((size_t)w * (size_t)h * sizeof *superpixels->labels);
    if (superpixels->labels)
        return GB_OK;
    return gb_fail(GB_OUT_OF_MEMORY, "cannot hold superpixels", "labels", "no memory for %d x %d",
                   w, h);
}

void gb_superpixels_free(struct gb_superpixels *superpixels) {
    free(superpixels->labels);
    *superpixels = (struct gb_superpixels){0};
}

// ---- files ----

static enum gb_status read_row(const char *line, int row, const char *path,
                               struct gb_superpixels *superpixels) {
    const int w = superpixels->w, largest = w * superpixels->h - 1;
    for (int x = 0; x < w; x++) {
        char *end;
        const long label = strtol(line, &end, 10);
        if (end == line)
            return gb_fail(GB_BAD_INPUT, "cannot read superpixels", path,
                           "line %d: number %d of %d is missing or not a number", row + 1, x + 1,
                           w);
        if (label < 0 || label > largest)
            return gb_fail(GB_BAD_INPUT, "cannot read superpixels", path,
                           "line %d: %ld is not from 0 to %d", row + 1, label, largest);
        superpixels->labels[row * w + x] = (int)label;
        if (label >= superpixels->count)
            superpixels->count = (int)label + 1;
        line = end;
    }
    if (line[strspn(line, " \t\r\n")])
        return gb_fail(GB_BAD_INPUT, "cannot read superpixels", path,
                       "line %d: has more than %d numbers", row + 1, w);
    return GB_OK;
}

static enum gb_status read_rows(FILE *stream, const char *path,
                                struct gb_superpixels *superpixels) {
    enum gb_status status = GB_OK;
    char *line = NULL;
    size_t capacity = 0;
    int row = 0;
    bool surplus = false;
    for (; status == GB_OK && getline(&line, &capacity, stream) >= 0; row++) {
        if (row < superpixels->h)
            status = read_row(line, row, path, superpixels);
        else if (line[strspn(line, " \t\r\n")])
            surplus = true;
    }
    free(line);
    GB_TRY(status);
    if (ferror(stream))
        return gb_fail(GB_BAD_INPUT, "cannot read superpixels", path, "%s", strerror(errno));
    if (row < superpixels->h || surplus)
        return gb_fail(GB_BAD_INPUT, "cannot read superpixels", path, "has %s than %d lines",
                       surplus ? "more" : "fewer", superpixels->h);
    return GB_OK;
}

enum gb_status gb_superpixels_read(const char *path, int w, int h,
                                   struct gb_superpixels *superpixels) {
    *superpixels = (struct gb_superpixels){0};
    FILE *stream;
    GB_TRY(gb_text_open("cannot read superpixels", path, &stream));
    enum gb_status status = create(superpixels, w, h);
    if (status == GB_OK)
        status = read_rows(stream, path, superpixels);
    fclose(stream);
    if (status != GB_OK)
        gb_superpixels_free(superpixels);
    return status;
}

// ---- clustering ----

// A pixel or the mean of some: where it is and its colour.
struct feature {
    double x, y, luma, blue, red;
};

struct clustering {
    int w, h;
    double step, compactness; // of the grid, in pixels
    struct feature *pixels;   // h * w
    double *distance;         // of each pixel to the nearest centre so far
    int columns, rows;        // of the grid
    struct feature *centres;  // columns * rows
    int *members;             // how many pixels each has
    int *nearest;             // each pixel's centre
};

static struct feature feature_at(const struct gb_tensor *image, int x, int y) {
    const float *rgb = gb_at(image, 0, y, x);
    const double red = 100.0 * (double)rgb[0], green = 100.0 * (double)rgb[1],
                 blue = 100.0 * (double)rgb[2];
    const double luma = 0.299 * red + 0.587 * green + 0.114 * blue;
    return (struct feature){
        .x = x, .y = y, .luma = luma, .blue = 0.564 * (blue - luma), .red = 0.713 * (red - luma)};
}

static void place_centres(struct clustering *c) {
    for (int row = 0; row < c->rows; row++)
        for (int column = 0; column < c->columns; column++) {
            const int x = gb_nearest(column, c->w, c->columns), y = gb_nearest(row, c->h, c->rows);
            c->centres[row * c->columns + column] = c->pixels[y * c->w + x];
        }
}

static double squared(double x) {
    return x * x;
}

// Gives the centre those pixels around it that no centre before was as near to.
static void claim(struct clustering *c, int index) {
    const struct feature centre = c->centres[index];
    const double weight = squared(c->compactness / c->step);
    const int left = (int)fmax(0.0, ceil(centre.x - c->step));
    const int right = (int)fmin(c->w - 1.0, floor(centre.x + c->step));
    const int top = (int)fmax(0.0, ceil(centre.y - c->step));
    const int bottom = (int)fmin(c->h - 1.0, floor(centre.y + c->step));
    for (int y = top; y <= bottom; y++)
        for (int x = left; x <= right; x++) {
            const int place = y * c->w + x;
            const struct feature *p = &c->pixels[place];
            const double distance = squared(p->luma - centre.luma) +
                                    squared(p->blue - centre.blue) + squared(p->red - centre.red) +
                                    weight * (squared(p->x - centre.x) + squared(p->y - centre.y));
            if (distance < c->distance[place]) {
                c->distance[place] = distance;
                c->nearest[place] = index;
            }
        }
}

// A centre without a pixel stays where it was.
static void move_centres(struct clustering *c) {
    const int centres = c->columns * c->rows;
    memset(c->members, 0, (size_t)centres * sizeof *c->members);
    for (int i = 0; i < c->w * c->h; i++) {
        const struct feature *p = &c->pixels[i];
        struct feature *sum = &c->centres[c->nearest[i]];
        if (c->members[c->nearest[i]]++ == 0)
            *sum = (struct feature){0};
        *sum = (struct feature){sum->x + p->x, sum->y + p->y, sum->luma + p->luma,
                                sum->blue + p->blue, sum->red + p->red};
    }
    for (int i = 0; i < centres; i++) {
        struct feature *sum = &c->centres[i];
        const double n = c->members[i];
        if (c->members[i])
            *sum = (struct feature){sum->x / n, sum->y / n, sum->luma / n, sum->blue / n,
                                    sum->red / n};
    }
}

static void cluster(struct clustering *c) {
    enum { ROUNDS = 10 };
    for (int i = 0; i < c->w * c->h; i++) { // until a centre claims it, what cell a pixel lies in
        const int x = i % c->w, y = i / c->w;
        c->nearest[i] = y * c->rows / c->h * c->columns + x * c->columns / c->w;
    }
    place_centres(c);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < c->w * c->h; i++)
            c->distance[i] = INFINITY;
        for (int centre = 0; centre < c->columns * c->rows; centre++)
            claim(c, centre);
        move_centres(c);
    }
}

// Labels the piece of one cluster that holds pixel `start`, with `label`; what it visited stands in
// `piece`. Returns how many pixels that are.
static int label_piece(const struct clustering *c, int start, int label, int *labels, int *piece) {
    int found = 0;
    labels[start] = label;
    piece[found++] = start;
    for (int next = 0; next < found; next++) {
        const int place = piece[next], x = place % c->w, y = place / c->w;
        const int neighbours[4] = {x > 0 ? place - 1 : place, x + 1 < c->w ? place + 1 : place,
                                   y > 0 ? place - c->w : place,
                                   y + 1 < c->h ? place + c->w : place};
        for (int n = 0; n < 4; n++) {
            const int other = neighbours[n];
            if (labels[other] < 0 && c->nearest[other] == c->nearest[start]) {
                labels[other] = label;
                piece[found++] = other;
            }
        }
    }
    return found;
}

// Leaves superpixels that are each in one piece; `piece` is room for a number a pixel.
static void connect(const struct clustering *c, struct gb_superpixels *superpixels, int *piece) {
    const int pixels = c->w * c->h, least = pixels / (c->columns * c->rows) / 4;
    int *labels = superpixels->labels;
    for (int i = 0; i < pixels; i++)
        labels[i] = -1;
    for (int i = 0; i < pixels; i++) {
        if (labels[i] >= 0)
            continue;
        // Pieces are met at their leftmost pixel of their top row: what is to its left or above it
        // has its label.
        const int before = i % c->w ? labels[i - 1] : i ? labels[i - c->w] : -1;
        const int size = label_piece(c, i, superpixels->count, labels, piece);
        if (size >= least || before < 0)
            superpixels->count++;
        else
            for (int p = 0; p < size; p++)
                labels[piece[p]] = before;
    }
}

enum gb_status gb_slic(const struct gb_tensor *image, int count, double compactness,
                       struct gb_superpixels *superpixels) {
    const double step = sqrt((double)image->w * image->h / count);
    const int columns = (int)fmax(1.0, floor(image->w / step + 0.5));
    const int rows = (int)fmax(1.0, floor(image->h / step + 0.5));
    const size_t pixels = (size_t)image->w * (size_t)image->h,
                 centres = (size_t)columns * (size_t)rows;
    struct clustering c = {.w = image->w,
                           .h = image->h,
                           .step = step,
                           .compactness = compactness,
                           .pixels = malloc(pixels * sizeof *c.pixels),
                           .distance = malloc(pixels * sizeof *c.distance),
                           .columns = columns,
                           .rows = rows,
                           .centres = malloc(centres * sizeof *c.centres),
                           .members = malloc(centres * sizeof *c.members),
                           .nearest = malloc(pixels * sizeof *c.nearest)};
    int *piece = malloc(pixels * sizeof *piece);
    enum gb_status status = create(superpixels, image->w, image->h);
    if (status == GB_OK && c.pixels && c.distance && c.centres && c.members && c.nearest && piece) {
        for (int y = 0; y < image->h; y++)
            for (int x = 0; x < image->w; x++)
                c.pixels[y * image->w + x] = feature_at(image, x, y);
        cluster(&c);
        connect(&c, superpixels, piece);
    } else {
        gb_superpixels_free(superpixels);
        status = gb_fail(GB_OUT_OF_MEMORY, "cannot find superpixels", "image",
                         "no memory for %d x %d pixels", image->w, image->h);
    }
    free(c.pixels);
    free(c.distance);
    free(c.centres);
    free(c.members);
    free(c.nearest);
    free(piece);
    return status;
}

// ---- scores ----

// How often each superpixel's pixels have each class of `map`, added up in votes[count][classes].
static void vote(const struct gb_superpixels *superpixels, const struct gb_tensor *map, int classes,
                 int *votes) {
    for (int y = 0; y < superpixels->h; y++) {
        const int row = gb_nearest(y, map->h, superpixels->h);
        for (int x = 0; x < superpixels->w; x++) {
            const float *value = gb_at(map, 0, row, gb_nearest(x, map->w, superpixels->w));
            const int label = superpixels->labels[y * superpixels->w + x];
            votes[label * classes + gb_class_of(*value, classes)]++;
        }
    }
}

// The class with the most votes; -1 without any.
static int elected(const int *votes, int classes) {
    int most = 0;
    for (int label = 1; label < classes; label++)
        most = votes[label] > votes[most] ? label : most;
    return votes[most] ? most : -1;
}

enum gb_status gb_superpixels_score(const struct gb_superpixels *superpixels,
                                    const struct gb_tensor *truth,
                                    const struct gb_tensor *prediction, int classes,
                                    struct gb_superpixel_counts *counts) {
    const size_t room = (size_t)superpixels->count * (size_t)classes;
    int *is = calloc(2 * room, sizeof *is);
    if (!is)
        return gb_fail(GB_OUT_OF_MEMORY, "cannot score", "superpixels", "no memory for %d of them",
                       superpixels->count);
    int *said = is + room;
    vote(superpixels, truth, classes, is);
    vote(superpixels, prediction, classes, said);
    for (int i = 0; i < superpixels->count; i++) {
        const int class = elected(is + i * classes, classes);
        counts->all += class >= 0;
        counts->right += class >= 0 && class == elected(said + i * classes, classes);
    }
    free(is);
    return GB_OK;
}
