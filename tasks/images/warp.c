// SPDX-License-Identifier: MIT
#include "tasks/images/warp.h"

#include <math.h>

// A direction, all alike: a point of the unit disc, brought to the circle. That takes a square root
// instead of a sine and a cosine, which differ from one machine's library to the next.
static void draw_direction(const struct gb_random_key *key, uint32_t *next, double *cosine,
                           double *sine) {
    double x, y, square;
    do {
        x = 2 * (double)gb_random_uniform(key, (*next)++) - 1;
        y = 2 * (double)gb_random_uniform(key, (*next)++) - 1;
        square = x * x + y * y;
    } while (square > 1 || square < 0.01);
    *cosine = x / sqrt(square);
    *sine = y / sqrt(square);
}

// tan x by the first three terms of its continued fraction: to 4e-5 below 30 degrees.
static double tangent(double x) {
    return x * (15 - x * x) / (15 - 6 * x * x);
}

struct gb_affine_map gb_augmentation_draw(const struct gb_augmentation *ranges,
                                          const struct gb_random_key *key) {
    const double radians = 3.14159265358979323846 / 180;
    struct gb_random_key own = *key;
    own.purpose = GB_RANDOM_AUGMENT;
    double normal = (double)gb_random_normal(&own, 0);
    double angle = fmin(fmax(normal, -3), 3) * ranges->shear_degrees * radians;
    uint32_t next = 2; // behind the pair that the normal number is one of
    double zoom = 1 + ranges->scale * (2 * (double)gb_random_uniform(&own, next++) - 1);
    double cosine = 1, sine = 0, shear = tangent(angle);
    if (ranges->rotate)
        draw_direction(&own, &next, &cosine, &sine);
    // Rotation after shear, over the enlargement.
    return (struct gb_affine_map){.xx = cosine / zoom,
                                  .xy = (cosine * shear - sine) / zoom,
                                  .yx = sine / zoom,
                                  .yy = (sine * shear + cosine) / zoom};
}

struct gb_affine_map gb_affine_anchor(struct gb_affine_map map, double u, double v, double x,
                                      double y) {
    map.x = x - (map.xx * u + map.xy * v);
    map.y = y - (map.yx * u + map.yy * v);
    return map;
}

// The input's value of channel c at pixel (x, y), 0 outside.
static double pixel(const struct gb_image *image, int x, int y, int c) {
    if (x < 0 || y < 0 || x >= image->w || y >= image->h)
        return 0;
    return image->pixels[((size_t)y * (size_t)image->w + (size_t)x) * (size_t)image->c + (size_t)c];
}

static void look_up(const struct gb_image *image, double x, double y, float *out) {
    // Pixel centres lie at halves.
    double left = floor(x - 0.5), top = floor(y - 0.5);
    double right_share = x - 0.5 - left, low_share = y - 0.5 - top;
    // Far outside: whatever the shares, and safe to convert below.
    if (left < -1 || top < -1 || left >= image->w || top >= image->h) {
        for (int c = 0; c < image->c; c++)
            out[c] = 0;
        return;
    }
    int i = (int)left, j = (int)top;
    for (int c = 0; c < image->c; c++) {
        double upper = pixel(image, i, j, c), lower = pixel(image, i, j + 1, c);
        upper += right_share * (pixel(image, i + 1, j, c) - upper);
        lower += right_share * (pixel(image, i + 1, j + 1, c) - lower);
        out[c] = (float)((upper + low_share * (lower - upper)) / 255);
    }
}

void gb_warp(const struct gb_image *image, const struct gb_affine_map *map,
             const struct gb_tensor *out) {
    assert(image->bits == 8 && out->n == 1 && out->c == image->c);
    for (int i = 0; i < out->h; i++)
        for (int j = 0; j < out->w; j++) {
            double u = j + 0.5, v = i + 0.5;
            look_up(image, map->xx * u + map->xy * v + map->x, map->yx * u + map->yy * v + map->y,
                    gb_at(out, 0, i, j));
        }
}

void gb_warp_mask(const struct gb_image *mask, const struct gb_affine_map *map,
                  const struct gb_tensor *out) {
    assert(mask->c == 1);
    gb_warp(mask, map, out);
    GB_EACH_ELEMENT(out, at)
        *gb_element(out, at) = *gb_element(out, at) >= 0.5f;
}
