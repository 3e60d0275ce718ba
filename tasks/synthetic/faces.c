// SPDX-License-Identifier: MIT
#include "tasks/synthetic/faces.h"

#include "tasks/synthetic/canvas.h"

// From the bottom to the top.
enum layer { CLUTTER, CLOTHES, HAIR_BEHIND, HEAD, FEATURES, HAIR_BEFORE, LAYERS };

static const enum gb_face_part part_of[LAYERS] = {
    [CLUTTER] = GB_PART_BACKGROUND, [CLOTHES] = GB_PART_BACKGROUND, [HAIR_BEHIND] = GB_PART_HAIR,
    [HEAD] = GB_PART_FACE,          [FEATURES] = GB_PART_FACE,      [HAIR_BEFORE] = GB_PART_HAIR,
};

// The head is put together in its own units (about one wide, 1.4 high, origin between nose and
// eyes) and then placed in the picture, whose side is 1.
struct scene {
    struct gb_value_noise noise;
    struct gb_shape layers[LAYERS];
    struct gb_colour backdrop_top, backdrop_bottom;
    double grain;      // contrast of the backdrop's texture
    double curl;       // how far hair's outline is bent, in the picture's units
    double light;      // gain of the whole picture
    double side_light; // -1 from the left, 1 from the right
};

// What the numbers of an example are for: the key's step, after those of other framings.
enum { STEP_COMPOSITION, STEP_TEXTURE, STEP_SENSOR, STEPS };

// ---- colours ----

static struct gb_colour skin(struct gb_dice *dice) {
    static const struct gb_colour kinds[] = {
        {0.94, 0.79, 0.69}, {0.87, 0.67, 0.53}, {0.74, 0.53, 0.39},
        {0.54, 0.36, 0.25}, {0.35, 0.23, 0.17},
    };
    return gb_mixture(dice, kinds, sizeof kinds / sizeof *kinds, 0.5, 0.1);
}

static struct gb_colour hair(struct gb_dice *dice) {
    static const struct gb_colour kinds[] = {
        {0.07, 0.06, 0.06}, // black
        {0.23, 0.15, 0.10}, // dark brown
        {0.40, 0.27, 0.17}, // brown
        {0.54, 0.29, 0.15}, // red
        {0.80, 0.65, 0.42}, // blond
        {0.62, 0.60, 0.58}, // grey
        {0.88, 0.87, 0.85}, // white
    };
    return gb_mixture(dice, kinds, sizeof kinds / sizeof *kinds, 0.5, 0.1);
}

// What clothes, walls and clutter are of: also what skin and hair are of.
static struct gb_colour stuff(struct gb_dice *dice) {
    static const struct gb_colour kinds[] = {
        {0.15, 0.22, 0.45}, {0.55, 0.68, 0.82}, {0.25, 0.38, 0.20}, {0.62, 0.12, 0.12},
        {0.92, 0.92, 0.90}, {0.10, 0.10, 0.12}, {0.50, 0.50, 0.50}, {0.76, 0.66, 0.45},
    };
    const double kind = gb_roll(dice, 0.0, 1.0);
    if (kind < 0.3)
        return skin(dice);
    if (kind < 0.6)
        return hair(dice);
    return gb_mixture(dice, kinds, sizeof kinds / sizeof *kinds, 0.5, 0.1);
}

// ---- the head ----

// What a head is drawn with.
struct person {
    struct gb_colour skin, hair;
    double turn;  // how far the features are off the middle: the head looks aside
    double width; // of the head; its height is that of all
    double eyes;  // height of the eyes
};

static void add_disc(struct gb_shape *shape, struct gb_point centre, double radius,
                     struct gb_colour colour) {
    gb_shape_add(shape, centre, radius, gb_plus(centre, 1e-6, 0.0), radius, colour);
}

static void build_head(struct gb_shape *head, struct gb_dice *dice, const struct person *person) {
    const double jaw = gb_roll(dice, 0.24, 0.34), chin = gb_roll(dice, 0.38, 0.46);
    const double neck = gb_roll(dice, 0.15, 0.23);
    gb_shape_add(head, (struct gb_point){0.0, 0.4}, neck, (struct gb_point){0.0, 1.1}, neck + 0.05,
                 gb_gain(person->skin, 0.82));
    for (int side = -1; side <= 1; side += 2) { // the ear that the head turns away from shows less
        const double out = person->width + 0.04 * (1.0 - 3.0 * side * person->turn);
        const struct gb_point ear = {side * out, person->eyes + 0.02};
        gb_shape_add(head, ear, 0.06, gb_plus(ear, -0.02 * side, 0.18), 0.04,
                     gb_gain(person->skin, 0.90));
    }
    for (int side = -1; side <= 1; side += 2) {
        const struct gb_point temple = {side * (person->width - 0.40), -0.22};
        gb_shape_add(head, temple, 0.40, (struct gb_point){0.5 * person->turn, chin}, jaw,
                     person->skin);
    }
}

static void add_eye(struct gb_shape *shape, const struct person *person, struct gb_point eye,
                    double open, double gaze, struct gb_colour iris) {
    static const struct gb_colour white = {0.93, 0.92, 0.90}, pupil = {0.05, 0.05, 0.05};
    gb_shape_add(shape, gb_plus(eye, -0.075, 0.0), 0.6 * open + 0.02, gb_plus(eye, 0.075, 0.0),
                 0.6 * open + 0.02, gb_gain(person->skin, 0.70));
    gb_shape_add(shape, gb_plus(eye, -0.060, 0.0), 0.6 * open, gb_plus(eye, 0.060, 0.0), 0.6 * open,
                 white);
    add_disc(shape, gb_plus(eye, gaze, 0.0), open, iris);
    add_disc(shape, gb_plus(eye, gaze, 0.0), 0.5 * open, pupil);
}

static void add_eyes_and_brows(struct gb_shape *shape, struct gb_dice *dice,
                               const struct person *person) {
    static const struct gb_colour kinds[] = {
        {0.25, 0.15, 0.08}, {0.30, 0.45, 0.62}, {0.33, 0.42, 0.25}};
    const struct gb_colour iris = gb_pick(dice, kinds, 3);
    const double apart = gb_roll(dice, 0.17, 0.21), open = gb_roll(dice, 0.035, 0.055);
    const double gaze = gb_roll(dice, -0.035, 0.035), lift = gb_roll(dice, 0.10, 0.14);
    const double slant = gb_roll(dice, -0.04, 0.04), thick = gb_roll(dice, 0.015, 0.035);
    for (int side = -1; side <= 1; side += 2) {
        const struct gb_point eye = {person->turn + side * apart, person->eyes};
        add_eye(shape, person, eye, open, gaze, iris);
        gb_shape_add(shape, gb_plus(eye, -0.08 * side, -lift + slant), thick,
                     gb_plus(eye, 0.09 * side, -lift), 0.7 * thick, gb_gain(person->hair, 0.8));
    }
}

static void add_nose(struct gb_shape *shape, struct gb_dice *dice, const struct person *person) {
    const double length = gb_roll(dice, 0.22, 0.28), width = gb_roll(dice, 0.045, 0.075);
    const struct gb_point bridge = {person->turn, person->eyes + 0.03};
    const struct gb_point tip = {1.4 * person->turn, person->eyes + length};
    gb_shape_add(shape, gb_plus(bridge, 0.01, 0.02), 0.04, gb_plus(tip, 0.0, 0.02), width + 0.015,
                 gb_gain(person->skin, 0.80));
    gb_shape_add(shape, bridge, 0.035, tip, width, gb_gain(person->skin, 1.06));
    for (int side = -1; side <= 1; side += 2)
        add_disc(shape, gb_plus(tip, 0.5 * side * width, 0.7 * width), 0.018,
                 gb_gain(person->skin, 0.45));
}

static void add_mouth(struct gb_shape *shape, struct gb_dice *dice, const struct person *person) {
    static const struct gb_colour red = {0.70, 0.25, 0.25}, inside = {0.25, 0.08, 0.08},
                                  teeth = {0.95, 0.94, 0.90};
    const double half = gb_roll(dice, 0.10, 0.17), full = gb_roll(dice, 0.025, 0.045);
    const double smile = gb_roll(dice, -0.02, 0.05), open = gb_roll(dice, -0.6, 0.9);
    const struct gb_colour lips =
        gb_blend(gb_gain(person->skin, 0.8), red, gb_roll(dice, 0.1, 0.8));
    const struct gb_point middle = {1.1 * person->turn, person->eyes + gb_roll(dice, 0.37, 0.43)};
    const double gap = open > 0.0 ? 0.05 * open : 0.0;
    for (int side = -1; side <= 1; side += 2)
        gb_shape_add(shape, middle, full + gap, gb_plus(middle, side * half, -smile), 0.5 * full,
                     lips);
    if (gap > 0.0)
        gb_shape_add(shape, gb_plus(middle, -0.6 * half, -0.4 * smile), gap,
                     gb_plus(middle, 0.6 * half, -0.4 * smile), gap,
                     smile > 0.015 ? teeth : inside);
}

// A beard is of hair's colour, and face: colour alone does not part the two.
static void add_beard(struct gb_shape *shape, struct gb_dice *dice, const struct person *person) {
    const struct gb_colour colour =
        gb_blend(gb_gain(person->hair, 0.9), person->skin, gb_roll(dice, 0.0, 0.5));
    const double x = person->turn, y = person->eyes + 0.40;
    if (gb_chance(dice, 0.6)) {
        const double thick = gb_roll(dice, 0.08, 0.13);
        for (int side = -1; side <= 1; side += 2)
            gb_shape_add(shape, (struct gb_point){x + 0.30 * side, y - 0.08}, 0.6 * thick,
                         (struct gb_point){x + 0.04 * side, y + 0.14}, thick, colour);
    }
    gb_shape_add(shape, (struct gb_point){x - 0.13, y - 0.07}, 0.03,
                 (struct gb_point){x + 0.13, y - 0.07}, 0.03, colour);
}

static void add_glasses(struct gb_shape *shape, struct gb_dice *dice, const struct person *person) {
    const struct gb_colour dark = {0.06, 0.06, 0.08};
    const bool shades = gb_chance(dice, 0.4);
    const double half = gb_roll(dice, 0.06, 0.08);
    for (int side = -1; side <= 1; side += 2) {
        const struct gb_point eye = {person->turn + 0.19 * side, person->eyes + 0.01};
        const struct gb_point left = gb_plus(eye, -half, 0.0), right = gb_plus(eye, half, 0.0);
        if (shades) {
            gb_shape_add(shape, left, 0.085, right, 0.085, dark);
            continue;
        }
        const double rim = 0.012, high = 0.085;
        gb_shape_add(shape, gb_plus(left, 0.0, -high), rim, gb_plus(right, 0.0, -high), rim, dark);
        gb_shape_add(shape, gb_plus(left, 0.0, high), rim, gb_plus(right, 0.0, high), rim, dark);
        gb_shape_add(shape, gb_plus(left, -0.03, -high), rim, gb_plus(left, -0.03, high), rim,
                     dark);
        gb_shape_add(shape, gb_plus(right, 0.03, -high), rim, gb_plus(right, 0.03, high), rim,
                     dark);
    }
    gb_shape_add(shape, (struct gb_point){person->turn - 0.08, person->eyes}, 0.015,
                 (struct gb_point){person->turn + 0.08, person->eyes}, 0.015, dark);
}

static void build_features(struct gb_shape *features, struct gb_dice *dice,
                           const struct person *person) {
    if (gb_chance(dice, 0.25))
        add_beard(features, dice, person);
    add_nose(features, dice, person);
    add_mouth(features, dice, person);
    add_eyes_and_brows(features, dice, person);
    if (gb_chance(dice, 0.2))
        add_glasses(features, dice, person);
}

// A cap behind the head, locks that hang from it as long as they like, and a fringe before the
// forehead with a parting somewhere; or a wreath around a bald head.
static void build_hair(struct gb_shape *behind, struct gb_shape *before, struct gb_dice *dice,
                       const struct person *person) {
    const struct gb_colour colour = person->hair, shade = gb_gain(person->hair, 0.8);
    const double width = person->width, volume = gb_roll(dice, 0.02, 0.20);
    const bool bald = gb_chance(dice, 0.12);
    const double top = bald ? -0.05 : -0.26;
    for (int side = -1; side <= 1; side += 2)
        gb_shape_add(behind, (struct gb_point){side * (width - 0.38), top},
                     0.40 + (bald ? 0.05 : volume), (struct gb_point){side * (width - 0.32), 0.1},
                     0.34 + 0.5 * volume, shade);
    if (bald)
        return;
    const double length = gb_chance(dice, 0.5) ? gb_roll(dice, 0.0, 0.3) : gb_roll(dice, 0.3, 1.2);
    const double flare = gb_roll(dice, -0.05, 0.2);
    for (int side = -1; side <= 1; side += 2) {
        const double lock = gb_roll(dice, 0.09, 0.20);
        gb_shape_add(behind, (struct gb_point){side * (width + 0.02), -0.25}, lock + 0.3 * volume,
                     (struct gb_point){side * (width + 0.02 + flare), -0.1 + length}, lock, colour);
    }
    gb_shape_add(before, (struct gb_point){-width + 0.16, -0.50}, 0.12 + 0.5 * volume,
                 (struct gb_point){width - 0.16, -0.50}, 0.12 + 0.5 * volume, shade);
    const double parting = gb_roll(dice, -0.3, 0.3), rise = gb_roll(dice, 0.46, 0.60);
    for (int side = -1; side <= 1; side += 2) {
        const double fall = gb_roll(dice, 0.22, 0.40);
        const double thick = gb_roll(dice, 0.10, 0.16), thin = gb_roll(dice, 0.06, 0.13);
        gb_shape_add(before, (struct gb_point){parting, -rise}, thick,
                     (struct gb_point){side * (width + 0.01), -fall}, thin, colour);
    }
    if (gb_chance(dice, 0.35)) { // a fringe down to the brows
        const double low = gb_roll(dice, 0.25, 0.33), sweep = gb_roll(dice, -0.08, 0.08);
        gb_shape_add(before, (struct gb_point){-width + 0.12, -low - sweep}, 0.09,
                     (struct gb_point){width - 0.12, -low + sweep}, 0.09, gb_gain(colour, 1.1));
    }
}

static void build_clothes(struct gb_shape *clothes, struct gb_dice *dice) {
    const struct gb_colour colour = stuff(dice);
    const double slope = gb_roll(dice, 0.0, 0.25), thick = gb_roll(dice, 0.35, 0.5);
    for (int side = -1; side <= 1; side += 2)
        gb_shape_add(clothes, (struct gb_point){0.15 * side, 1.30}, thick,
                     (struct gb_point){0.95 * side, 1.45 + slope}, 0.8 * thick, colour);
    gb_shape_add(clothes, (struct gb_point){0.0, 1.5}, 0.6, (struct gb_point){0.0, 4.0}, 1.2,
                 gb_gain(colour, 0.95));
}

// ---- the picture ----

static struct gb_placement place_head(struct gb_dice *dice, enum gb_face_framing framing) {
    const bool aligned = framing == GB_FACE_ALIGNED;
    const double reach = aligned ? 0.08 : 0.25, wander = aligned ? 0.02 : 0.18;
    const double tilt = gb_roll(dice, -reach, reach), norm = sqrt(1.0 + tilt * tilt);
    const double scale = aligned ? gb_roll(dice, 0.58, 0.66) : gb_roll(dice, 0.28, 0.56);
    const double mirrored = gb_chance(dice, 0.5) ? -1.0 : 1.0;
    const struct gb_box middle = {0.5 - wander, 0.5 - wander, 0.5 + wander, 0.5 + wander};
    return (struct gb_placement){.cosine = 1.0 / norm,
                                 .sine = tilt / norm,
                                 .scale_x = mirrored * scale,
                                 .scale_y = scale,
                                 .move = gb_roll_point(dice, &middle)};
}

// Of the size and the colours of heads and hair.
static void build_clutter(struct gb_shape *clutter, struct gb_dice *dice) {
    static const struct gb_box everywhere = {-0.1, -0.1, 1.1, 1.1}, aside = {-0.3, -0.3, 0.3, 0.3};
    for (int count = (int)gb_roll(dice, 2.0, 8.0); count > 0; count--) {
        const struct gb_point here = gb_roll_point(dice, &everywhere),
                              to = gb_roll_point(dice, &aside);
        const double radius = gb_roll(dice, 0.03, 0.16), other = gb_roll(dice, 0.03, 0.16);
        gb_shape_add(clutter, here, radius, gb_plus(here, to.x, to.y), other, stuff(dice));
    }
    gb_shape_bound(clutter);
}

static void build_scene(struct scene *scene, const struct gb_random_key *key,
                        enum gb_face_framing framing) {
    struct gb_dice dice = {.key = *key};
    struct gb_shape *layers = scene->layers;
    for (int layer = 0; layer < LAYERS; layer++)
        layers[layer].count = 0;
    struct person person = {.skin = skin(&dice)};
    person.hair = hair(&dice);
    person.turn = gb_roll(&dice, -0.10, 0.10);
    person.width = gb_roll(&dice, 0.43, 0.50);
    person.eyes = gb_roll(&dice, -0.12, -0.04);
    build_head(&layers[HEAD], &dice, &person);
    build_features(&layers[FEATURES], &dice, &person);
    build_hair(&layers[HAIR_BEHIND], &layers[HAIR_BEFORE], &dice, &person);
    build_clothes(&layers[CLOTHES], &dice);
    const struct gb_placement placement = place_head(&dice, framing);
    for (int layer = CLOTHES; layer < LAYERS; layer++)
        gb_shape_place(&layers[layer], &placement);
    build_clutter(&layers[CLUTTER], &dice);
    scene->backdrop_top = stuff(&dice);
    const struct gb_colour below = stuff(&dice);
    scene->backdrop_bottom = gb_blend(scene->backdrop_top, below, gb_roll(&dice, 0.0, 1.0));
    scene->grain = gb_roll(&dice, 0.1, 0.7);
    scene->curl = placement.scale_y * gb_roll(&dice, 0.02, 0.16);
    scene->light = gb_roll(&dice, 0.75, 1.15);
    scene->side_light = gb_roll(&dice, -1.5, 1.5);

    struct gb_random_key texture = *key;
    texture.step += STEP_TEXTURE;
    gb_value_noise_create(&scene->noise, &texture);
}

// The colour at p, and whose it is.
static enum gb_face_part look(const struct scene *scene, struct gb_point p,
                              struct gb_colour *colour) {
    const struct gb_value_noise *noise = &scene->noise;
    const struct gb_point bent =
        gb_plus(p, scene->curl * (gb_value_noise_at(noise, 9.0 * p.x, 9.0 * p.y + 31.0) - 0.5),
                scene->curl * (gb_value_noise_at(noise, 9.0 * p.x + 17.0, 9.0 * p.y) - 0.5));
    for (int layer = LAYERS - 1; layer >= 0; layer--) {
        const bool is_hair = part_of[layer] == GB_PART_HAIR;
        if (!gb_shape_paint(&scene->layers[layer], scene->side_light, is_hair ? bent : p, colour))
            continue;
        const double fleck = is_hair ? gb_value_noise_at(noise, 60.0 * bent.x, 12.0 * bent.y)
                                     : gb_value_noise_at(noise, 23.0 * p.x + 11.0, 23.0 * p.y);
        const double contrast = is_hair ? 0.5 : part_of[layer] == GB_PART_FACE ? 0.08 : 0.3;
        *colour = gb_gain(*colour, 1.0 + contrast * (fleck - 0.5));
        return part_of[layer];
    }
    const double texture = 0.6 * gb_value_noise_at(noise, 5.0 * p.x, 7.0 * p.y + 3.0) +
                           0.4 * gb_value_noise_at(noise, 19.0 * p.x, 19.0 * p.y + 41.0);
    *colour = gb_gain(gb_blend(scene->backdrop_top, scene->backdrop_bottom, p.y),
                      1.0 + scene->grain * (texture - 0.5));
    return GB_PART_BACKGROUND;
}

static float most_looks(const int looks[GB_FACE_PARTS]) {
    int most = 0;
    for (int part = 1; part < GB_FACE_PARTS; part++)
        most = looks[part] > looks[most] ? part : most;
    return (float)most;
}

void gb_synthetic_face(uint64_t seed, uint32_t index, enum gb_face_framing framing, int size,
                       float *image, float *parts) {
    const struct gb_random_key key =
        gb_synthetic_key(seed, (uint32_t)framing * STEPS + STEP_COMPOSITION, index);
    struct gb_random_key sensor = key;
    sensor.step += STEP_SENSOR;
    struct scene scene;
    build_scene(&scene, &key, framing);
    // Sixteen looks a pixel where pixels are coarse, four where they are fine.
    const int side = size <= 32 ? 4 : 2, looks = side * side;
    for (int pixel = 0; pixel < size * size; pixel++) {
        struct gb_colour sum = {0.0, 0.0, 0.0};
        int seen[GB_FACE_PARTS] = {0};
        for (int s = 0; s < looks; s++) {
            const struct gb_point p = {(pixel % size + (s % side + 0.5) / side) / size,
                                       (pixel / size + (s / side + 0.5) / side) / size};
            struct gb_colour colour;
            seen[look(&scene, p, &colour)]++;
            sum = (struct gb_colour){sum.r + colour.r, sum.g + colour.g, sum.b + colour.b};
        }
        const double noise = 0.04 * ((double)gb_random_uniform(&sensor, (uint32_t)pixel) - 0.5);
        gb_put_colour(gb_gain(sum, scene.light / looks), noise, image + 3 * pixel);
        if (parts)
            parts[pixel] = most_looks(seen);
    }
}
