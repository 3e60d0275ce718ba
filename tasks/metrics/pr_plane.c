// SPDX-License-Identifier: MIT
#include "tasks/metrics/pr_plane.h"

#include <string.h>

static const float paper[3] = {1, 1, 1}, frame[3] = {0.6f, 0.6f, 0.6f},
                   line[3] = {0.75f, 0.9f, 0.75f};

static void put(const struct gb_tensor *plane, int x, int y, const float colour[static 3]) {
    if (x >= 0 && y >= 0 && x < plane->w && y < plane->h)
        memcpy(gb_at(plane, 0, y, x), colour, 3 * sizeof *colour);
}

// The pixel of a share of an axis that is `size` pixels long.
static int pixel_of(double share, int size) {
    return (int)(share * (size - 1) + 0.5);
}

// In steps of an eighth of a pixel, since the line is steep where precision is high.
static void draw_equal(const struct gb_tensor *plane, double f_score) {
    const int steps = 8 * (plane->w - 1);
    for (int step = 0; step <= steps; step++) {
        double recall = (double)step / steps, rest = 2 * recall - f_score;
        if (rest > 0 && f_score * recall <= rest)
            put(plane, step / 8, pixel_of(1 - f_score * recall / rest, plane->h), line);
    }
}

void gb_pr_plane_clear(const struct gb_tensor *plane) {
    assert(plane->n == 1 && plane->c == 3);
    for (int y = 0; y < plane->h; y++)
        for (int x = 0; x < plane->w; x++) {
            bool edge = x == 0 || y == 0 || x == plane->w - 1 || y == plane->h - 1;
            put(plane, x, y, edge ? frame : paper);
        }
    for (int tenth = 1; tenth < 10; tenth++)
        draw_equal(plane, tenth / 10.0);
}

void gb_pr_plane_dots(const struct gb_tensor *plane, const struct gb_pr_point *points, int count,
                      int radius, const float colour[static 3]) {
    for (int i = 0; i < count; i++) {
        int x = pixel_of(points[i].recall, plane->w),
            y = pixel_of(1 - points[i].precision, plane->h);
        for (int dy = -radius; dy <= radius; dy++)
            for (int dx = -radius; dx <= radius; dx++)
                if (dx * dx + dy * dy <= radius * radius)
                    put(plane, x + dx, y + dy, colour);
    }
}
