// SPDX-License-Identifier: MIT
// Drawing of synthetic images: points, colours, limbs and shapes of limbs, value noise, and random
// numbers. Everything is + - * / sqrt and floor in double, which round alike on every machine, so
// that images are bitwise identical: directions are slopes instead of angles, falloffs are
// polynomials.
//
// Lengths are in any unit, such as the image's side; y points down.
#ifndef GB_CANVAS_H
#define GB_CANVAS_H

#include <math.h>
#include <stdbool.h>

#include "kernels/random/random.h"

// ---- numbers ----

// A stream of random numbers for one example. The evaluation order of arguments and initialisers is
// unspecified in C, so only one of a list may use it.
struct gb_dice {
    struct gb_random_key key;
    uint32_t next;
};

// The numbers of example `index` of `seed` that are for this purpose of the generator's.
static inline struct gb_random_key gb_synthetic_key(uint64_t seed, uint32_t step, uint32_t index) {
    return (struct gb_random_key){
        .seed = seed, .purpose = GB_RANDOM_SYNTHETIC, .step = step, .sample = index};
}

// Uniform in [low, high).
static inline double gb_roll(struct gb_dice *dice, double low, double high) {
    return low + (high - low) * (double)gb_random_uniform(&dice->key, dice->next++);
}

static inline bool gb_chance(struct gb_dice *dice, double probability) {
    return gb_roll(dice, 0.0, 1.0) < probability;
}

static inline double gb_clamp(double x, double low, double high) {
    return x < low ? low : x > high ? high : x;
}

// 0 below 0, 1 above 1, and a cubic without corners between.
static inline double gb_smooth(double t) {
    t = gb_clamp(t, 0.0, 1.0);
    return t * t * (3.0 - 2.0 * t);
}

// ---- points ----

struct gb_point {
    double x, y;
};

struct gb_box {
    double left, top, right, bottom;
};

static inline struct gb_point gb_plus(struct gb_point p, double x, double y) {
    return (struct gb_point){p.x + x, p.y + y};
}

// The point `length` from p in the direction (x, y).
static inline struct gb_point gb_along(struct gb_point p, double x, double y, double length) {
    double scale = length / sqrt(x * x + y * y);
    return gb_plus(p, x * scale, y * scale);
}

struct gb_point gb_roll_point(struct gb_dice *dice, const struct gb_box *box);

// ---- colours: linear blends of red, green and blue, 0 to 1 ----

struct gb_colour {
    double r, g, b;
};

static inline struct gb_colour gb_blend(struct gb_colour a, struct gb_colour b, double t) {
    return (struct gb_colour){a.r + t * (b.r - a.r), a.g + t * (b.g - a.g), a.b + t * (b.b - a.b)};
}

static inline struct gb_colour gb_gain(struct gb_colour c, double factor) {
    return (struct gb_colour){c.r * factor, c.g * factor, c.b * factor};
}

static inline struct gb_colour gb_vary(struct gb_dice *dice, struct gb_colour c, double low,
                                       double high) {
    return gb_gain(c, gb_roll(dice, low, high));
}

// One of the kinds.
static inline struct gb_colour gb_pick(struct gb_dice *dice, const struct gb_colour *kinds,
                                       int count) {
    return kinds[(int)gb_roll(dice, 0.0, count)];
}

// Two of the kinds, of the second up to `share`, brighter or darker by up to `range`.
struct gb_colour gb_mixture(struct gb_dice *dice, const struct gb_colour *kinds, int count,
                            double share, double range);

// Adds `noise` to each channel and clips to [0, 1].
void gb_put_colour(struct gb_colour colour, double noise, float pixel[static 3]);

// ---- limbs: the hull of two discs, near enough ----

struct gb_limb {
    struct gb_point a, b;
    double radius_a, radius_b;
    struct gb_colour colour;
};

// Where a point stands to a limb's axis.
struct gb_nearness {
    double x, y;   // from the nearest point of the axis
    double radius; // of the limb there
};

static inline struct gb_nearness gb_limb_nearness(const struct gb_limb *limb, struct gb_point p) {
    double x = p.x - limb->a.x, y = p.y - limb->a.y;
    double axis_x = limb->b.x - limb->a.x, axis_y = limb->b.y - limb->a.y;
    double t = gb_clamp((x * axis_x + y * axis_y) / (axis_x * axis_x + axis_y * axis_y), 0.0, 1.0);
    return (struct gb_nearness){x - t * axis_x, y - t * axis_y,
                                limb->radius_a + t * (limb->radius_b - limb->radius_a)};
}

struct gb_box gb_limb_box(const struct gb_limb *limb);

// ---- shapes: limbs painted in order, the last one on top ----

enum { GB_SHAPE_LIMBS = 80 };

struct gb_shape {
    int count;
    struct gb_limb limbs[GB_SHAPE_LIMBS];
    struct gb_box box; // after gb_shape_bound
};

void gb_shape_add(struct gb_shape *shape, struct gb_point a, double radius_a, struct gb_point b,
                  double radius_b, struct gb_colour colour);
void gb_shape_bound(struct gb_shape *shape);

// Turns by (cosine, sine), then stretches by (scale_x, scale_y) and moves; radii go with scale_y.
// The shape is bounded afterwards.
struct gb_placement {
    double cosine, sine, scale_x, scale_y;
    struct gb_point move;
};
void gb_shape_place(struct gb_shape *shape, const struct gb_placement *placement);

// True where p is in the shape; then *colour is that of the topmost limb there, lit from above and
// by `side_light` (-1 from the left, 1 from the right) as if it were round. The shape is bounded.
bool gb_shape_paint(const struct gb_shape *shape, double side_light, struct gb_point p,
                    struct gb_colour *colour);

// ---- value noise ----

enum { GB_NOISE_SIDE = 64 };

struct gb_value_noise {
    double table[GB_NOISE_SIDE][GB_NOISE_SIDE]; // uniform in [0, 1)
};

// A table of the key's first numbers.
void gb_value_noise_create(struct gb_value_noise *noise, const struct gb_random_key *key);

// The table, smoothly interpolated and repeated for ever.
double gb_value_noise_at(const struct gb_value_noise *noise, double x, double y);

#endif
