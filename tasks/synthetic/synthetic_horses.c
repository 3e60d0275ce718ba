// SPDX-License-Identifier: MIT
#include "tasks/synthetic/synthetic_horses.h"

#include "tasks/synthetic/canvas.h"

// Lengths are in units of the picture's side, y points down. The animal is put together in its own
// units (trunk about one long, origin in its middle, facing right) and then fitted into the
// picture.
struct scene {
    struct gb_value_noise noise;
    struct gb_colour sky_top, sky_low, ground_far, ground_near;
    double horizon, hills, grain;
    struct gb_shape clutter, horse;
    struct gb_colour patch; // of a piebald coat
    double patch_level;     // noise above it is patch
    double light;           // gain of the whole picture
    double side_light;      // -1 from the left, 1 from the right
};

// What the numbers of an example are for: the key's step.
enum { STEP_COMPOSITION, STEP_TEXTURE, STEP_SENSOR };

// ---- colours ----

// A coat of any horse, which is also what much of the clutter wears.
static struct gb_colour coat(struct gb_dice *dice) {
    static const struct gb_colour coats[] = {
        {0.48, 0.24, 0.12}, // chestnut
        {0.33, 0.19, 0.11}, // bay
        {0.13, 0.11, 0.11}, // black
        {0.55, 0.53, 0.51}, // grey
        {0.87, 0.85, 0.81}, // white
        {0.76, 0.59, 0.36}, // palomino
        {0.60, 0.42, 0.27}, // dun
    };
    return gb_mixture(dice, coats, sizeof coats / sizeof *coats, 0.25, 0.15);
}

static struct gb_colour pasture(struct gb_dice *dice) {
    static const struct gb_colour kinds[] = {
        {0.30, 0.45, 0.16}, // grass
        {0.45, 0.52, 0.22}, // dry grass
        {0.68, 0.58, 0.36}, // straw
        {0.47, 0.36, 0.25}, // earth
        {0.78, 0.72, 0.60}, // sand
        {0.20, 0.30, 0.12}, // shade
        {0.84, 0.86, 0.90}, // snow
    };
    return gb_vary(dice, gb_pick(dice, kinds, sizeof kinds / sizeof *kinds), 0.8, 1.2);
}

static struct gb_colour foliage(struct gb_dice *dice) {
    static const struct gb_colour green = {0.16, 0.28, 0.10}, autumn = {0.50, 0.30, 0.12};
    return gb_vary(dice, gb_blend(green, autumn, gb_smooth(gb_roll(dice, -0.8, 1.3))), 0.7, 1.5);
}

// ---- the animal ----

struct animal {
    struct gb_colour coat, far_coat, mane, hoof;
    double activity; // 0 standing, 1 at a gallop
};

static void add_hoof(struct gb_shape *shape, struct gb_point fetlock, double slope,
                     struct gb_colour colour) {
    gb_shape_add(shape, fetlock, 0.036, gb_along(fetlock, slope + 0.3, 1.0, 0.07), 0.044, colour);
}

static void add_fore_leg(struct gb_shape *shape, struct gb_dice *dice, const struct animal *animal,
                         struct gb_point shoulder, struct gb_colour colour) {
    double swing = animal->activity * gb_roll(dice, -0.8, 0.9);
    double lower = swing - animal->activity * gb_roll(dice, 0.0, 1.0);
    struct gb_point knee = gb_along(shoulder, swing, 1.0, 0.32);
    struct gb_point fetlock = gb_along(knee, lower, 1.0, 0.31);
    gb_shape_add(shape, shoulder, 0.105, knee, 0.052, colour);
    gb_shape_add(shape, knee, 0.050, fetlock, 0.034, colour);
    add_hoof(shape, fetlock, lower, animal->hoof);
}

static void add_hind_leg(struct gb_shape *shape, struct gb_dice *dice, const struct animal *animal,
                         struct gb_point hip, struct gb_colour colour) {
    double swing = animal->activity * gb_roll(dice, -0.8, 0.7);
    double lower = 0.08 + swing - animal->activity * gb_roll(dice, 0.0, 0.5);
    struct gb_point stifle = gb_along(hip, 0.3 + swing, 1.0, 0.27);
    struct gb_point hock = gb_along(stifle, -0.5 + swing, 1.0, 0.27);
    struct gb_point fetlock = gb_along(hock, lower, 1.0, 0.28);
    gb_shape_add(shape, hip, 0.195, stifle, 0.095, colour);
    gb_shape_add(shape, stifle, 0.090, hock, 0.052, colour);
    gb_shape_add(shape, hock, 0.048, fetlock, 0.035, colour);
    add_hoof(shape, fetlock, lower, animal->hoof);
}

static void add_tail(struct gb_shape *shape, struct gb_dice *dice, const struct animal *animal) {
    double lift = animal->activity * gb_roll(dice, 0.0, 1.2);
    struct gb_point root = {-0.46, -0.12};
    struct gb_point middle = gb_along(root, -0.5 - lift, 0.8 - 0.8 * lift, 0.18);
    double sway = gb_roll(dice, -0.15, 0.15), length = gb_roll(dice, 0.2, 0.4);
    struct gb_point end = gb_along(middle, sway - 0.1 - lift, 1.0, length);
    gb_shape_add(shape, root, 0.045, middle, 0.060, animal->mane);
    gb_shape_add(shape, middle, 0.060, end, 0.020, animal->mane);
}

static void add_trunk(struct gb_shape *shape, struct gb_dice *dice, const struct animal *animal) {
    struct gb_point rump = {-0.28, -0.03}, belly = {0.0, 0.02}, chest = {0.27, 0.0};
    double belly_radius = gb_roll(dice, 0.185, 0.22);
    gb_shape_add(shape, rump, 0.220, belly, belly_radius, animal->coat);
    gb_shape_add(shape, belly, belly_radius, chest, 0.210, animal->coat);
    gb_shape_add(shape, (struct gb_point){0.16, -0.10}, 0.12, (struct gb_point){0.27, -0.08}, 0.15,
                 animal->coat);
}

// From a raised neck to grazing; the head hangs the more the lower the neck.
static void add_neck_and_head(struct gb_shape *shape, struct gb_dice *dice,
                              const struct animal *animal) {
    double slope = gb_roll(dice, -1.4, -0.3);
    if (gb_chance(dice, 0.2))
        slope = gb_roll(dice, 0.3, 1.3);
    struct gb_point base = {0.29, -0.07};
    struct gb_point poll = gb_along(base, 1.0, slope, gb_roll(dice, 0.52, 0.60));
    double drop = slope > 0.0 ? gb_roll(dice, 1.2, 2.5) : gb_roll(dice, 0.5, 1.3);
    struct gb_point muzzle = gb_along(poll, 1.0, drop, 0.34);
    struct gb_point cheek = gb_along(gb_plus(poll, -0.01, 0.03), 1.0, drop, 0.09);
    gb_shape_add(shape, base, 0.200, poll, 0.095, animal->coat);
    // The crest: above the neck's axis by a little less than its radius.
    struct gb_point crest = gb_along(base, slope, -1.0, 0.16),
                    crown = gb_along(poll, slope, -1.0, 0.075);
    gb_shape_add(shape, crest, 0.050, crown, 0.045, animal->mane);
    gb_shape_add(shape, poll, 0.088, muzzle, 0.056, animal->coat);
    gb_shape_add(shape, cheek, 0.096, muzzle, 0.052, animal->coat);
    struct gb_point ear = gb_along(poll, -0.5, -drop, 0.05);
    gb_shape_add(shape, ear, 0.034, gb_along(ear, 0.25, -1.0, 0.13), 0.010, animal->far_coat);
    gb_shape_add(shape, gb_plus(ear, -0.04, 0.01), 0.036, gb_along(ear, -0.35, -1.0, 0.13), 0.010,
                 animal->coat);
}

static void build_horse(struct gb_shape *shape, struct gb_dice *dice) {
    struct animal animal;
    animal.coat = coat(dice);
    animal.activity = gb_smooth(gb_roll(dice, 0.1, 0.9));
    animal.far_coat = gb_gain(animal.coat, 0.72);
    animal.mane = gb_chance(dice, 0.5) ? gb_gain(animal.coat, 0.5) : coat(dice);
    animal.hoof = gb_gain(animal.coat, gb_roll(dice, 0.4, 0.8));
    shape->count = 0;
    add_fore_leg(shape, dice, &animal, (struct gb_point){0.22, 0.10}, animal.far_coat);
    add_hind_leg(shape, dice, &animal, (struct gb_point){-0.25, -0.01}, animal.far_coat);
    add_tail(shape, dice, &animal);
    add_trunk(shape, dice, &animal);
    add_neck_and_head(shape, dice, &animal);
    add_hind_leg(shape, dice, &animal, (struct gb_point){-0.29, -0.02}, animal.coat);
    add_fore_leg(shape, dice, &animal, (struct gb_point){0.28, 0.09}, animal.coat);
}

// Tilts and mirrors the animal, makes it fill 70 to 98 % of the picture and puts it wholly inside.
static void place_horse(struct gb_shape *shape, struct gb_dice *dice) {
    double tilt = gb_roll(dice, -0.12, 0.12), norm = sqrt(1.0 + tilt * tilt);
    double mirror = gb_chance(dice, 0.5) ? -1.0 : 1.0;
    const struct gb_placement upright = {1.0 / norm, tilt / norm, mirror, 1.0, {0.0, 0.0}};
    gb_shape_place(shape, &upright);
    double w = shape->box.right - shape->box.left, h = shape->box.bottom - shape->box.top;
    double scale = gb_roll(dice, 0.70, 0.98) / fmax(w, h);
    const struct gb_box room = {0.01, 0.01, 0.99 - w * scale, 0.99 - h * scale};
    struct gb_point corner = gb_roll_point(dice, &room);
    const struct gb_placement inside = {
        1.0, 0.0, scale, scale, gb_plus(corner, -shape->box.left * scale, -shape->box.top * scale)};
    gb_shape_place(shape, &inside);
}

// ---- the landscape ----

static void add_tree(struct gb_shape *shape, struct gb_dice *dice, double horizon) {
    struct gb_point foot = gb_roll_point(dice, &(struct gb_box){0.0, horizon, 1.0, horizon + 0.15});
    double slant = gb_roll(dice, -0.2, 0.2), height = gb_roll(dice, 0.2, 0.5);
    struct gb_point fork = gb_along(foot, slant, -1.0, height);
    double thickness = gb_roll(dice, 0.02, 0.05);
    gb_shape_add(shape, foot, thickness, fork, 0.7 * thickness, gb_gain(coat(dice), 0.8));
    struct gb_colour leaves = foliage(dice);
    enum { CLUMPS = 5 };
    for (int i = 0; i < CLUMPS; i++) {
        struct gb_point offset = gb_roll_point(dice, &(struct gb_box){-0.14, -0.14, 0.14, 0.08});
        struct gb_point clump = gb_plus(fork, offset.x, offset.y);
        struct gb_point other = gb_plus(clump, gb_roll(dice, -0.06, 0.06), 0.02);
        double radius = gb_roll(dice, 0.05, 0.11), other_radius = gb_roll(dice, 0.04, 0.09);
        gb_shape_add(shape, clump, radius, other, other_radius, gb_vary(dice, leaves, 0.8, 1.25));
    }
}

static void add_fence(struct gb_shape *shape, struct gb_dice *dice, double horizon) {
    struct gb_colour wood = coat(dice);
    double top = horizon + gb_roll(dice, 0.0, 0.1), height = gb_roll(dice, 0.12, 0.25);
    double slope = gb_roll(dice, -0.1, 0.1), spacing = gb_roll(dice, 0.15, 0.3);
    for (int rail = 0; rail < 2; rail++) {
        double y = top + height * (0.15 + 0.4 * rail);
        gb_shape_add(shape, (struct gb_point){-0.1, y}, 0.010, (struct gb_point){1.1, y + slope},
                     0.010, wood);
    }
    for (double x = gb_roll(dice, 0.0, spacing); x < 1.0; x += spacing) {
        struct gb_point post = {x, top + slope * x};
        gb_shape_add(shape, post, 0.018, gb_plus(post, 0.0, height), 0.018, gb_gain(wood, 0.85));
    }
}

// Trunks and boulders on the ground, of the size and the colours of an animal's parts.
static void add_boulder(struct gb_shape *shape, struct gb_dice *dice, double horizon) {
    struct gb_point here = gb_roll_point(dice, &(struct gb_box){0.0, horizon + 0.03, 1.0, 1.0});
    struct gb_point offset = gb_roll_point(dice, &(struct gb_box){-0.2, -0.05, 0.2, 0.05});
    double radius = gb_roll(dice, 0.03, 0.10), flat = gb_roll(dice, 0.5, 1.0);
    gb_shape_add(shape, here, radius, gb_plus(here, offset.x, offset.y), radius * flat, coat(dice));
}

static void build_clutter(struct gb_shape *shape, struct gb_dice *dice, double horizon) {
    shape->count = 0;
    for (int trees = (int)gb_roll(dice, 0.0, 6.0); trees > 0; trees--)
        add_tree(shape, dice, horizon);
    if (gb_chance(dice, 0.3))
        add_fence(shape, dice, horizon);
    for (int boulders = (int)gb_roll(dice, 1.0, 6.0); boulders > 0; boulders--)
        add_boulder(shape, dice, horizon);
    gb_shape_bound(shape);
}

static void build_scene(struct scene *scene, uint64_t seed, uint32_t index) {
    struct gb_dice dice = {.key = gb_synthetic_key(seed, STEP_COMPOSITION, index)};
    build_horse(&scene->horse, &dice);
    place_horse(&scene->horse, &dice);
    scene->patch = coat(&dice);
    scene->patch_level = gb_chance(&dice, 0.2) ? 0.55 : 1.0;
    scene->horizon = gb_roll(&dice, 0.1, scene->horse.box.bottom - 0.12);
    scene->hills = gb_roll(&dice, 0.0, 0.12);
    scene->grain = gb_roll(&dice, 0.2, 0.9);
    scene->sky_top = gb_blend((struct gb_colour){0.35, 0.55, 0.85},
                              (struct gb_colour){0.8, 0.8, 0.8}, gb_roll(&dice, 0.0, 1.0));
    scene->sky_low =
        gb_blend(scene->sky_top, (struct gb_colour){0.95, 0.93, 0.88}, gb_roll(&dice, 0.2, 0.9));
    if (gb_chance(&dice, 0.35)) // a wood or a wall instead of the sky
        scene->sky_top = scene->sky_low = gb_vary(&dice, foliage(&dice), 0.6, 1.5);
    scene->ground_near = pasture(&dice);
    scene->ground_far = pasture(&dice);
    scene->ground_far = gb_blend(scene->ground_far, scene->ground_near, gb_roll(&dice, 0.3, 1.0));
    scene->light = gb_roll(&dice, 0.75, 1.15);
    scene->side_light = gb_roll(&dice, -1.0, 1.0);
    build_clutter(&scene->clutter, &dice, scene->horizon);

    const struct gb_random_key texture = gb_synthetic_key(seed, STEP_TEXTURE, index);
    gb_value_noise_create(&scene->noise, &texture);
}

// ---- drawing ----

static double noise(const struct scene *scene, double x, double y) {
    return gb_value_noise_at(&scene->noise, x, y);
}

static struct gb_colour backdrop(const struct scene *scene, struct gb_point p) {
    double ridge = scene->horizon - scene->hills * noise(scene, 3.0 * p.x, 7.5);
    if (p.y < ridge) {
        double cloud = noise(scene, 3.0 * p.x + 20.0, 6.0 * p.y) +
                       0.5 * noise(scene, 14.0 * p.x, 14.0 * p.y + 9.0);
        return gb_gain(gb_blend(scene->sky_top, scene->sky_low, gb_smooth(p.y / ridge)),
                       0.8 + 0.27 * cloud);
    }
    // The texture gets finer towards the horizon.
    double depth = (p.y - ridge) / (1.05 - ridge);
    double far = 0.25 + depth;
    double texture = 0.5 * noise(scene, 8.0 * p.x / far, 10.0 / far) +
                     0.3 * noise(scene, 15.0 * p.x, 30.0 * p.y) +
                     0.2 * noise(scene, 37.0 * p.x + 5.0, 60.0 * p.y);
    return gb_gain(gb_blend(scene->ground_far, scene->ground_near, gb_smooth(depth)),
                   1.0 + scene->grain * (texture - 0.5));
}

// The colour at p, and whether the animal is there.
static bool look(const struct scene *scene, struct gb_point p, struct gb_colour *colour) {
    bool horse = gb_shape_paint(&scene->horse, scene->side_light, p, colour);
    double fleck = 0.85 + 0.3 * noise(scene, 23.0 * p.x + 11.0, 23.0 * p.y);
    if (horse) {
        if (noise(scene, 7.0 * p.x + 3.0, 7.0 * p.y) > scene->patch_level)
            *colour = gb_blend(*colour, scene->patch, 0.8);
        *colour = gb_gain(*colour, fleck);
    } else if (gb_shape_paint(&scene->clutter, scene->side_light, p, colour)) {
        *colour = gb_gain(*colour, fleck);
    } else {
        *colour = backdrop(scene, p);
        // The shadow on the ground.
        const struct gb_box *box = &scene->horse.box;
        double x = (p.x - (box->left + box->right) / 2.0) / (0.5 * (box->right - box->left));
        double y = (p.y - (box->bottom - 0.01)) / 0.05;
        *colour = gb_gain(*colour, 0.65 + 0.35 * gb_smooth(x * x + y * y));
    }
    return horse;
}

static void draw(uint64_t seed, uint32_t index, const struct gb_example *example) {
    const int size = example->x.h;
    float *image = example->x.data, *mask = example->y.data;
    struct scene scene;
    build_scene(&scene, seed, index);
    const struct gb_random_key sensor = gb_synthetic_key(seed, STEP_SENSOR, index);
    // Sixteen looks a pixel where pixels are coarse, four where they are fine.
    const int side = size <= 32 ? 4 : 2, looks = side * side;
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            struct gb_colour sum = {0.0, 0.0, 0.0};
            int covered = 0;
            for (int s = 0; s < looks; s++) {
                struct gb_point p = {(x + (s % side + 0.5) / side) / size,
                                     (y + (s / side + 0.5) / side) / size};
                struct gb_colour colour;
                covered += look(&scene, p, &colour);
                sum = (struct gb_colour){sum.r + colour.r, sum.g + colour.g, sum.b + colour.b};
            }
            int pixel = y * size + x;
            double noise = 0.04 * ((double)gb_random_uniform(&sensor, (uint32_t)pixel) - 0.5);
            gb_put_colour(gb_gain(sum, scene.light / looks), noise, image + 3 * pixel);
            mask[pixel] = 2 * covered >= looks ? 1.0f : 0.0f;
        }
}

enum gb_status gb_synthetic_horses_load(uint64_t seed, int size, int train_count, int test_count,
                                        int threads, struct gb_dataset splits[]) {
    const struct gb_synthetic horses = {
        .name = "horses",
        .shape = {.x_h = size, .x_w = size, .x_c = 3, .y_h = size, .y_w = size, .y_c = 1},
        .counts = {train_count, test_count},
        .draw = draw};
    return gb_synthetic_load(&horses, seed, threads, splits);
}
