// SPDX-License-Identifier: MIT
#include "tasks/synthetic/canvas.h"

#include <assert.h>

struct gb_point gb_roll_point(struct gb_dice *dice, const struct gb_box *box) {
    double x = gb_roll(dice, box->left, box->right), y = gb_roll(dice, box->top, box->bottom);
    return (struct gb_point){x, y};
}

struct gb_colour gb_mixture(struct gb_dice *dice, const struct gb_colour *kinds, int count,
                            double share, double range) {
    const struct gb_colour one = gb_pick(dice, kinds, count), other = gb_pick(dice, kinds, count);
    const struct gb_colour mixed = gb_blend(one, other, gb_roll(dice, 0.0, share));
    return gb_vary(dice, mixed, 1.0 - range, 1.0 + range);
}

void gb_put_colour(struct gb_colour colour, double noise, float pixel[static 3]) {
    pixel[0] = (float)gb_clamp(colour.r + noise, 0.0, 1.0);
    pixel[1] = (float)gb_clamp(colour.g + noise, 0.0, 1.0);
    pixel[2] = (float)gb_clamp(colour.b + noise, 0.0, 1.0);
}

struct gb_box gb_limb_box(const struct gb_limb *limb) {
    return (struct gb_box){.left = fmin(limb->a.x - limb->radius_a, limb->b.x - limb->radius_b),
                           .top = fmin(limb->a.y - limb->radius_a, limb->b.y - limb->radius_b),
                           .right = fmax(limb->a.x + limb->radius_a, limb->b.x + limb->radius_b),
                           .bottom = fmax(limb->a.y + limb->radius_a, limb->b.y + limb->radius_b)};
}

void gb_shape_add(struct gb_shape *shape, struct gb_point a, double radius_a, struct gb_point b,
                  double radius_b, struct gb_colour colour) {
    assert(shape->count < GB_SHAPE_LIMBS);
    shape->limbs[shape->count++] = (struct gb_limb){a, b, radius_a, radius_b, colour};
}

void gb_shape_bound(struct gb_shape *shape) {
    struct gb_box box = {1e9, 1e9, -1e9, -1e9};
    for (int i = 0; i < shape->count; i++) {
        struct gb_box limb = gb_limb_box(&shape->limbs[i]);
        box = (struct gb_box){fmin(box.left, limb.left), fmin(box.top, limb.top),
                              fmax(box.right, limb.right), fmax(box.bottom, limb.bottom)};
    }
    shape->box = box;
}

void gb_shape_place(struct gb_shape *shape, const struct gb_placement *placement) {
    const struct gb_placement at = *placement;
    for (int i = 0; i < shape->count; i++) {
        struct gb_limb *limb = &shape->limbs[i];
        struct gb_point *ends[] = {&limb->a, &limb->b};
        for (int e = 0; e < 2; e++) {
            struct gb_point p = *ends[e];
            *ends[e] =
                (struct gb_point){at.scale_x * (at.cosine * p.x - at.sine * p.y) + at.move.x,
                                  at.scale_y * (at.sine * p.x + at.cosine * p.y) + at.move.y};
        }
        limb->radius_a *= at.scale_y;
        limb->radius_b *= at.scale_y;
    }
    gb_shape_bound(shape);
}

static bool inside_box(const struct gb_box *box, struct gb_point p) {
    return p.x >= box->left && p.x <= box->right && p.y >= box->top && p.y <= box->bottom;
}

bool gb_shape_paint(const struct gb_shape *shape, double side_light, struct gb_point p,
                    struct gb_colour *colour) {
    if (!inside_box(&shape->box, p))
        return false;
    for (int i = shape->count - 1; i >= 0; i--) {
        struct gb_nearness near = gb_limb_nearness(&shape->limbs[i], p);
        if (near.x * near.x + near.y * near.y > near.radius * near.radius)
            continue;
        double lit = 0.92 + (0.10 * side_light * near.x - 0.18 * near.y) / near.radius;
        *colour = gb_gain(shape->limbs[i].colour, lit);
        return true;
    }
    return false;
}

void gb_value_noise_create(struct gb_value_noise *noise, const struct gb_random_key *key) {
    struct gb_dice dice = {.key = *key};
    for (int y = 0; y < GB_NOISE_SIDE; y++)
        for (int x = 0; x < GB_NOISE_SIDE; x++)
            noise->table[y][x] = gb_roll(&dice, 0.0, 1.0);
}

double gb_value_noise_at(const struct gb_value_noise *noise, double x, double y) {
    double left = floor(x), top = floor(y);
    int x0 = (int)left & (GB_NOISE_SIDE - 1), x1 = (x0 + 1) & (GB_NOISE_SIDE - 1);
    int y0 = (int)top & (GB_NOISE_SIDE - 1), y1 = (y0 + 1) & (GB_NOISE_SIDE - 1);
    double u = gb_smooth(x - left), v = gb_smooth(y - top);
    double upper = noise->table[y0][x0] + u * (noise->table[y0][x1] - noise->table[y0][x0]);
    double lower = noise->table[y1][x0] + u * (noise->table[y1][x1] - noise->table[y1][x0]);
    return upper + v * (lower - upper);
}
