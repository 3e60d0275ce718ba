// SPDX-License-Identifier: MIT
// Everything is drawn with + - * / sqrt and floor in double, which every machine rounds alike:
// directions are slopes in place of angles, falloffs are polynomials.
#include "tasks/synthetic/synthetic_horses.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "kernels/parallel.h"
#include "kernels/random/random.h"

// Lengths are in units of the picture's side, y points down. The animal is put together in its own
// units (trunk about one long, origin in its middle, facing right) and then fitted into the
// picture.
struct point {
    double x, y;
};

struct colour {
    double r, g, b;
};

// A limb: the hull of two discs, near enough.
struct limb {
    struct point a, b;
    double radius_a, radius_b;
    struct colour colour;
};

struct box {
    double left, top, right, bottom;
};

enum { MAX_LIMBS = 80, NOISE_SIDE = 64 };

// Limbs painted in order, the last one on top.
struct shape {
    int count;
    struct limb limbs[MAX_LIMBS];
    struct box box;
};

struct scene {
    double noise[NOISE_SIDE][NOISE_SIDE]; // uniform in [0, 1)
    struct colour sky_top, sky_low, ground_far, ground_near;
    double horizon, hills, grain;
    struct shape clutter, horse;
    struct colour patch; // of a piebald coat
    double patch_level;  // noise above it is patch
    double light;        // gain of the whole picture
    double side_light;   // -1 from the left, 1 from the right
};

// Numbers for one example, drawn one after the other. C leaves open in which order arguments and
// initialisers are evaluated, so no more than one of a list may draw.
struct dice {
    struct gb_random_key key;
    uint32_t next;
};

// What the numbers of an example are for: the key's step.
enum { STEP_COMPOSITION, STEP_TEXTURE, STEP_SENSOR };

static double roll(struct dice *dice, double low, double high) {
    return low + (high - low) * (double)gb_random_uniform(&dice->key, dice->next++);
}

static bool chance(struct dice *dice, double probability) {
    return roll(dice, 0.0, 1.0) < probability;
}

static struct point plus(struct point p, double x, double y) {
    return (struct point){p.x + x, p.y + y};
}

static struct point roll_point(struct dice *dice, double left, double right, double top,
                               double bottom) {
    double x = roll(dice, left, right), y = roll(dice, top, bottom);
    return (struct point){x, y};
}

// The point `length` from p in the direction (x, y).
static struct point along(struct point p, double x, double y, double length) {
    double scale = length / sqrt(x * x + y * y);
    return plus(p, x * scale, y * scale);
}

static double clamp(double x, double low, double high) {
    return x < low ? low : x > high ? high : x;
}

static double smooth(double t) {
    t = clamp(t, 0.0, 1.0);
    return t * t * (3.0 - 2.0 * t);
}

static struct colour blend(struct colour a, struct colour b, double t) {
    return (struct colour){a.r + t * (b.r - a.r), a.g + t * (b.g - a.g), a.b + t * (b.b - a.b)};
}

static struct colour gain(struct colour c, double factor) {
    return (struct colour){c.r * factor, c.g * factor, c.b * factor};
}

static void add_limb(struct shape *shape, struct point a, double radius_a, struct point b,
                     double radius_b, struct colour colour) {
    assert(shape->count < MAX_LIMBS);
    shape->limbs[shape->count++] = (struct limb){a, b, radius_a, radius_b, colour};
}

static void bound(struct shape *shape) {
    struct box box = {1e9, 1e9, -1e9, -1e9};
    for (int i = 0; i < shape->count; i++) {
        const struct limb *limb = &shape->limbs[i];
        box.left = fmin(box.left, fmin(limb->a.x - limb->radius_a, limb->b.x - limb->radius_b));
        box.right = fmax(box.right, fmax(limb->a.x + limb->radius_a, limb->b.x + limb->radius_b));
        box.top = fmin(box.top, fmin(limb->a.y - limb->radius_a, limb->b.y - limb->radius_b));
        box.bottom = fmax(box.bottom, fmax(limb->a.y + limb->radius_a, limb->b.y + limb->radius_b));
    }
    shape->box = box;
}

// ---- colours ----

static struct colour vary(struct dice *dice, struct colour c, double low, double high) {
    return gain(c, roll(dice, low, high));
}

// A coat of any horse, which is also what much of the clutter wears.
static struct colour coat(struct dice *dice) {
    static const struct colour coats[] = {
        {0.48, 0.24, 0.12}, // chestnut
        {0.33, 0.19, 0.11}, // bay
        {0.13, 0.11, 0.11}, // black
        {0.55, 0.53, 0.51}, // grey
        {0.87, 0.85, 0.81}, // white
        {0.76, 0.59, 0.36}, // palomino
        {0.60, 0.42, 0.27}, // dun
    };
    enum { COATS = sizeof coats / sizeof *coats };
    struct colour one = coats[(int)roll(dice, 0.0, COATS)];
    struct colour other = coats[(int)roll(dice, 0.0, COATS)];
    return vary(dice, blend(one, other, roll(dice, 0.0, 0.25)), 0.85, 1.15);
}

static struct colour pasture(struct dice *dice) {
    static const struct colour kinds[] = {
        {0.30, 0.45, 0.16}, // grass
        {0.45, 0.52, 0.22}, // dry grass
        {0.68, 0.58, 0.36}, // straw
        {0.47, 0.36, 0.25}, // earth
        {0.78, 0.72, 0.60}, // sand
        {0.20, 0.30, 0.12}, // shade
        {0.84, 0.86, 0.90}, // snow
    };
    enum { KINDS = sizeof kinds / sizeof *kinds };
    return vary(dice, kinds[(int)roll(dice, 0.0, KINDS)], 0.8, 1.2);
}

static struct colour foliage(struct dice *dice) {
    static const struct colour green = {0.16, 0.28, 0.10}, autumn = {0.50, 0.30, 0.12};
    return vary(dice, blend(green, autumn, smooth(roll(dice, -0.8, 1.3))), 0.7, 1.5);
}

// ---- the animal ----

struct animal {
    struct colour coat, far_coat, mane, hoof;
    double activity; // 0 standing, 1 at a gallop
};

static void add_hoof(struct shape *shape, struct point fetlock, double slope,
                     struct colour colour) {
    add_limb(shape, fetlock, 0.036, along(fetlock, slope + 0.3, 1.0, 0.07), 0.044, colour);
}

static void add_fore_leg(struct shape *shape, struct dice *dice, const struct animal *animal,
                         struct point shoulder, struct colour colour) {
    double swing = animal->activity * roll(dice, -0.8, 0.9);
    double lower = swing - animal->activity * roll(dice, 0.0, 1.0);
    struct point knee = along(shoulder, swing, 1.0, 0.32);
    struct point fetlock = along(knee, lower, 1.0, 0.31);
    add_limb(shape, shoulder, 0.105, knee, 0.052, colour);
    add_limb(shape, knee, 0.050, fetlock, 0.034, colour);
    add_hoof(shape, fetlock, lower, animal->hoof);
}

static void add_hind_leg(struct shape *shape, struct dice *dice, const struct animal *animal,
                         struct point hip, struct colour colour) {
    double swing = animal->activity * roll(dice, -0.8, 0.7);
    double lower = 0.08 + swing - animal->activity * roll(dice, 0.0, 0.5);
    struct point stifle = along(hip, 0.3 + swing, 1.0, 0.27);
    struct point hock = along(stifle, -0.5 + swing, 1.0, 0.27);
    struct point fetlock = along(hock, lower, 1.0, 0.28);
    add_limb(shape, hip, 0.195, stifle, 0.095, colour);
    add_limb(shape, stifle, 0.090, hock, 0.052, colour);
    add_limb(shape, hock, 0.048, fetlock, 0.035, colour);
    add_hoof(shape, fetlock, lower, animal->hoof);
}

static void add_tail(struct shape *shape, struct dice *dice, const struct animal *animal) {
    double lift = animal->activity * roll(dice, 0.0, 1.2);
    struct point root = {-0.46, -0.12};
    struct point middle = along(root, -0.5 - lift, 0.8 - 0.8 * lift, 0.18);
    double sway = roll(dice, -0.15, 0.15), length = roll(dice, 0.2, 0.4);
    struct point end = along(middle, sway - 0.1 - lift, 1.0, length);
    add_limb(shape, root, 0.045, middle, 0.060, animal->mane);
    add_limb(shape, middle, 0.060, end, 0.020, animal->mane);
}

static void add_trunk(struct shape *shape, struct dice *dice, const struct animal *animal) {
    struct point rump = {-0.28, -0.03}, belly = {0.0, 0.02}, chest = {0.27, 0.0};
    double belly_radius = roll(dice, 0.185, 0.22);
    add_limb(shape, rump, 0.220, belly, belly_radius, animal->coat);
    add_limb(shape, belly, belly_radius, chest, 0.210, animal->coat);
    add_limb(shape, (struct point){0.16, -0.10}, 0.12, (struct point){0.27, -0.08}, 0.15,
             animal->coat);
}

// From a raised neck to grazing; the head hangs the more the lower the neck.
static void add_neck_and_head(struct shape *shape, struct dice *dice, const struct animal *animal) {
    double slope = roll(dice, -1.4, -0.3);
    if (chance(dice, 0.2))
        slope = roll(dice, 0.3, 1.3);
    struct point base = {0.29, -0.07};
    struct point poll = along(base, 1.0, slope, roll(dice, 0.52, 0.60));
    double drop = slope > 0.0 ? roll(dice, 1.2, 2.5) : roll(dice, 0.5, 1.3);
    struct point muzzle = along(poll, 1.0, drop, 0.34);
    struct point cheek = along(plus(poll, -0.01, 0.03), 1.0, drop, 0.09);
    add_limb(shape, base, 0.200, poll, 0.095, animal->coat);
    // The crest: above the neck's axis by a little less than its radius.
    struct point crest = along(base, slope, -1.0, 0.16), crown = along(poll, slope, -1.0, 0.075);
    add_limb(shape, crest, 0.050, crown, 0.045, animal->mane);
    add_limb(shape, poll, 0.088, muzzle, 0.056, animal->coat);
    add_limb(shape, cheek, 0.096, muzzle, 0.052, animal->coat);
    struct point ear = along(poll, -0.5, -drop, 0.05);
    add_limb(shape, ear, 0.034, along(ear, 0.25, -1.0, 0.13), 0.010, animal->far_coat);
    add_limb(shape, plus(ear, -0.04, 0.01), 0.036, along(ear, -0.35, -1.0, 0.13), 0.010,
             animal->coat);
}

static void build_horse(struct shape *shape, struct dice *dice) {
    struct animal animal;
    animal.coat = coat(dice);
    animal.activity = smooth(roll(dice, 0.1, 0.9));
    animal.far_coat = gain(animal.coat, 0.72);
    animal.mane = chance(dice, 0.5) ? gain(animal.coat, 0.5) : coat(dice);
    animal.hoof = gain(animal.coat, roll(dice, 0.4, 0.8));
    shape->count = 0;
    add_fore_leg(shape, dice, &animal, (struct point){0.22, 0.10}, animal.far_coat);
    add_hind_leg(shape, dice, &animal, (struct point){-0.25, -0.01}, animal.far_coat);
    add_tail(shape, dice, &animal);
    add_trunk(shape, dice, &animal);
    add_neck_and_head(shape, dice, &animal);
    add_hind_leg(shape, dice, &animal, (struct point){-0.29, -0.02}, animal.coat);
    add_fore_leg(shape, dice, &animal, (struct point){0.28, 0.09}, animal.coat);
}

static void transform(struct shape *shape, double cosine, double sine, double scale_x,
                      double scale_y, struct point move) {
    for (int i = 0; i < shape->count; i++) {
        struct limb *limb = &shape->limbs[i];
        struct point *ends[] = {&limb->a, &limb->b};
        for (int e = 0; e < 2; e++) {
            struct point p = *ends[e];
            *ends[e] = (struct point){scale_x * (cosine * p.x - sine * p.y) + move.x,
                                      scale_y * (sine * p.x + cosine * p.y) + move.y};
        }
        limb->radius_a *= scale_y;
        limb->radius_b *= scale_y;
    }
    bound(shape);
}

// Tilts and mirrors the animal, makes it fill 70 to 98 % of the picture and puts it wholly inside.
static void place_horse(struct shape *shape, struct dice *dice) {
    double tilt = roll(dice, -0.12, 0.12), norm = sqrt(1.0 + tilt * tilt);
    double mirror = chance(dice, 0.5) ? -1.0 : 1.0;
    transform(shape, 1.0 / norm, tilt / norm, mirror, 1.0, (struct point){0.0, 0.0});
    double w = shape->box.right - shape->box.left, h = shape->box.bottom - shape->box.top;
    double scale = roll(dice, 0.70, 0.98) / fmax(w, h);
    struct point corner = roll_point(dice, 0.01, 0.99 - w * scale, 0.01, 0.99 - h * scale);
    struct point move = plus(corner, -shape->box.left * scale, -shape->box.top * scale);
    transform(shape, 1.0, 0.0, scale, scale, move);
}

// ---- the landscape ----

static void add_tree(struct shape *shape, struct dice *dice, double horizon) {
    struct point foot = roll_point(dice, 0.0, 1.0, horizon, horizon + 0.15);
    double slant = roll(dice, -0.2, 0.2), height = roll(dice, 0.2, 0.5);
    struct point fork = along(foot, slant, -1.0, height);
    double thickness = roll(dice, 0.02, 0.05);
    add_limb(shape, foot, thickness, fork, 0.7 * thickness, gain(coat(dice), 0.8));
    struct colour leaves = foliage(dice);
    enum { CLUMPS = 5 };
    for (int i = 0; i < CLUMPS; i++) {
        struct point offset = roll_point(dice, -0.14, 0.14, -0.14, 0.08);
        struct point clump = plus(fork, offset.x, offset.y);
        struct point other = plus(clump, roll(dice, -0.06, 0.06), 0.02);
        double radius = roll(dice, 0.05, 0.11), other_radius = roll(dice, 0.04, 0.09);
        add_limb(shape, clump, radius, other, other_radius, vary(dice, leaves, 0.8, 1.25));
    }
}

static void add_fence(struct shape *shape, struct dice *dice, double horizon) {
    struct colour wood = coat(dice);
    double top = horizon + roll(dice, 0.0, 0.1), height = roll(dice, 0.12, 0.25);
    double slope = roll(dice, -0.1, 0.1), spacing = roll(dice, 0.15, 0.3);
    for (int rail = 0; rail < 2; rail++) {
        double y = top + height * (0.15 + 0.4 * rail);
        add_limb(shape, (struct point){-0.1, y}, 0.010, (struct point){1.1, y + slope}, 0.010,
                 wood);
    }
    for (double x = roll(dice, 0.0, spacing); x < 1.0; x += spacing) {
        struct point post = {x, top + slope * x};
        add_limb(shape, post, 0.018, plus(post, 0.0, height), 0.018, gain(wood, 0.85));
    }
}

// Trunks and boulders on the ground, of the size and the colours of an animal's parts.
static void add_boulder(struct shape *shape, struct dice *dice, double horizon) {
    struct point here = roll_point(dice, 0.0, 1.0, horizon + 0.03, 1.0);
    struct point offset = roll_point(dice, -0.2, 0.2, -0.05, 0.05);
    double radius = roll(dice, 0.03, 0.10), flat = roll(dice, 0.5, 1.0);
    add_limb(shape, here, radius, plus(here, offset.x, offset.y), radius * flat, coat(dice));
}

static void build_clutter(struct shape *shape, struct dice *dice, double horizon) {
    shape->count = 0;
    for (int trees = (int)roll(dice, 0.0, 6.0); trees > 0; trees--)
        add_tree(shape, dice, horizon);
    if (chance(dice, 0.3))
        add_fence(shape, dice, horizon);
    for (int boulders = (int)roll(dice, 1.0, 6.0); boulders > 0; boulders--)
        add_boulder(shape, dice, horizon);
    bound(shape);
}

static void build_scene(struct scene *scene, uint64_t seed, uint32_t index) {
    struct dice dice = {.key = {.seed = seed,
                                .purpose = GB_RANDOM_SYNTHETIC,
                                .step = STEP_COMPOSITION,
                                .sample = index}};
    build_horse(&scene->horse, &dice);
    place_horse(&scene->horse, &dice);
    scene->patch = coat(&dice);
    scene->patch_level = chance(&dice, 0.2) ? 0.55 : 1.0;
    scene->horizon = roll(&dice, 0.1, scene->horse.box.bottom - 0.12);
    scene->hills = roll(&dice, 0.0, 0.12);
    scene->grain = roll(&dice, 0.2, 0.9);
    scene->sky_top = blend((struct colour){0.35, 0.55, 0.85}, (struct colour){0.8, 0.8, 0.8},
                           roll(&dice, 0.0, 1.0));
    scene->sky_low =
        blend(scene->sky_top, (struct colour){0.95, 0.93, 0.88}, roll(&dice, 0.2, 0.9));
    if (chance(&dice, 0.35)) // a wood or a wall in place of the sky
        scene->sky_top = scene->sky_low = vary(&dice, foliage(&dice), 0.6, 1.5);
    scene->ground_near = pasture(&dice);
    scene->ground_far = pasture(&dice);
    scene->ground_far = blend(scene->ground_far, scene->ground_near, roll(&dice, 0.3, 1.0));
    scene->light = roll(&dice, 0.75, 1.15);
    scene->side_light = roll(&dice, -1.0, 1.0);
    build_clutter(&scene->clutter, &dice, scene->horizon);

    struct dice texture = dice;
    texture.key.step = STEP_TEXTURE;
    texture.next = 0;
    for (int y = 0; y < NOISE_SIDE; y++)
        for (int x = 0; x < NOISE_SIDE; x++)
            scene->noise[y][x] = roll(&texture, 0.0, 1.0);
}

// ---- drawing ----

// Value noise: the table, smoothly interpolated and repeated for ever.
static double noise(const struct scene *scene, double x, double y) {
    double left = floor(x), top = floor(y);
    int x0 = (int)left & (NOISE_SIDE - 1), x1 = (x0 + 1) & (NOISE_SIDE - 1);
    int y0 = (int)top & (NOISE_SIDE - 1), y1 = (y0 + 1) & (NOISE_SIDE - 1);
    double u = smooth(x - left), v = smooth(y - top);
    double upper = scene->noise[y0][x0] + u * (scene->noise[y0][x1] - scene->noise[y0][x0]);
    double lower = scene->noise[y1][x0] + u * (scene->noise[y1][x1] - scene->noise[y1][x0]);
    return upper + v * (lower - upper);
}

static struct colour backdrop(const struct scene *scene, struct point p) {
    double ridge = scene->horizon - scene->hills * noise(scene, 3.0 * p.x, 7.5);
    if (p.y < ridge) {
        double cloud = noise(scene, 3.0 * p.x + 20.0, 6.0 * p.y) +
                       0.5 * noise(scene, 14.0 * p.x, 14.0 * p.y + 9.0);
        return gain(blend(scene->sky_top, scene->sky_low, smooth(p.y / ridge)), 0.8 + 0.27 * cloud);
    }
    // The texture gets finer towards the horizon.
    double depth = (p.y - ridge) / (1.05 - ridge);
    double far = 0.25 + depth;
    double texture = 0.5 * noise(scene, 8.0 * p.x / far, 10.0 / far) +
                     0.3 * noise(scene, 15.0 * p.x, 30.0 * p.y) +
                     0.2 * noise(scene, 37.0 * p.x + 5.0, 60.0 * p.y);
    return gain(blend(scene->ground_far, scene->ground_near, smooth(depth)),
                1.0 + scene->grain * (texture - 0.5));
}

static bool inside_box(const struct box *box, struct point p) {
    return p.x >= box->left && p.x <= box->right && p.y >= box->top && p.y <= box->bottom;
}

// True where p is in the shape; then *colour is that of the topmost limb there, lit from above as
// if it were round.
static bool paint(const struct scene *scene, const struct shape *shape, struct point p,
                  struct colour *colour) {
    if (!inside_box(&shape->box, p))
        return false;
    for (int i = shape->count - 1; i >= 0; i--) {
        const struct limb *limb = &shape->limbs[i];
        double x = p.x - limb->a.x, y = p.y - limb->a.y;
        double axis_x = limb->b.x - limb->a.x, axis_y = limb->b.y - limb->a.y;
        double t = clamp((x * axis_x + y * axis_y) / (axis_x * axis_x + axis_y * axis_y), 0.0, 1.0);
        double radius = limb->radius_a + t * (limb->radius_b - limb->radius_a);
        x -= t * axis_x;
        y -= t * axis_y;
        if (x * x + y * y > radius * radius)
            continue;
        double lit = 0.92 + (0.10 * scene->side_light * x - 0.18 * y) / radius;
        *colour = gain(limb->colour, lit);
        return true;
    }
    return false;
}

// The colour at p, and whether the animal is there.
static bool look(const struct scene *scene, struct point p, struct colour *colour) {
    bool horse = paint(scene, &scene->horse, p, colour);
    double fleck = 0.85 + 0.3 * noise(scene, 23.0 * p.x + 11.0, 23.0 * p.y);
    if (horse) {
        if (noise(scene, 7.0 * p.x + 3.0, 7.0 * p.y) > scene->patch_level)
            *colour = blend(*colour, scene->patch, 0.8);
        *colour = gain(*colour, fleck);
    } else if (paint(scene, &scene->clutter, p, colour)) {
        *colour = gain(*colour, fleck);
    } else {
        *colour = backdrop(scene, p);
        // The shadow on the ground.
        const struct box *box = &scene->horse.box;
        double x = (p.x - (box->left + box->right) / 2.0) / (0.5 * (box->right - box->left));
        double y = (p.y - (box->bottom - 0.01)) / 0.05;
        *colour = gain(*colour, 0.65 + 0.35 * smooth(x * x + y * y));
    }
    return horse;
}

static float to_channel(double value) {
    return (float)clamp(value, 0.0, 1.0);
}

void gb_synthetic_horse(uint64_t seed, uint32_t index, int size, float *image, float *mask) {
    struct scene scene;
    build_scene(&scene, seed, index);
    const struct gb_random_key sensor = {
        .seed = seed, .purpose = GB_RANDOM_SYNTHETIC, .step = STEP_SENSOR, .sample = index};
    // Sixteen looks a pixel where pixels are coarse, four where they are fine.
    const int side = size <= 32 ? 4 : 2, looks = side * side;
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            struct colour sum = {0.0, 0.0, 0.0};
            int covered = 0;
            for (int s = 0; s < looks; s++) {
                struct point p = {(x + (s % side + 0.5) / side) / size,
                                  (y + (s / side + 0.5) / side) / size};
                struct colour colour;
                covered += look(&scene, p, &colour);
                sum = (struct colour){sum.r + colour.r, sum.g + colour.g, sum.b + colour.b};
            }
            int pixel = y * size + x;
            double noise = 0.04 * ((double)gb_random_uniform(&sensor, (uint32_t)pixel) - 0.5);
            struct colour mean = gain(sum, scene.light / looks);
            image[3 * pixel + 0] = to_channel(mean.r + noise);
            image[3 * pixel + 1] = to_channel(mean.g + noise);
            image[3 * pixel + 2] = to_channel(mean.b + noise);
            mask[pixel] = 2 * covered >= looks ? 1.0f : 0.0f;
        }
}

struct drawing {
    uint64_t seed;
    uint32_t first;
    struct gb_dataset *dataset;
};

static void draw_job(void *argument, int index, int rank) {
    (void)rank;
    const struct drawing *drawing = argument;
    const struct gb_dataset *dataset = drawing->dataset;
    gb_synthetic_horse(drawing->seed, drawing->first + (uint32_t)index, dataset->x.h,
                       gb_at(&dataset->x, index, 0, 0), gb_at(&dataset->y, index, 0, 0));
}

static enum gb_status draw_split(uint64_t seed, uint32_t first, int size, int count, int threads,
                                 struct gb_dataset *dataset) {
    GB_TRY(gb_dataset_create(dataset, count, size, size, 3, size, size, 1));
    struct drawing drawing = {seed, first, dataset};
    gb_parallel_jobs(threads, count, draw_job, &drawing);
    for (int i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "synthetic%07u", first + (unsigned)i);
        GB_TRY(gb_dataset_name(dataset, i, name));
    }
    return GB_OK;
}

enum gb_status gb_synthetic_horses_load(uint64_t seed, int size, int train_count, int test_count,
                                        int threads, struct gb_dataset splits[]) {
    const int counts[GB_SPLITS] = {train_count, test_count};
    const uint32_t first[GB_SPLITS] = {0, GB_SYNTHETIC_HORSES_TEST_FIRST};
    enum gb_status status = GB_OK;
    for (int split = 0; split < GB_SPLITS; split++) {
        splits[split] = (struct gb_dataset){0};
        if (counts[split] < 1 || counts[split] > GB_SYNTHETIC_HORSES_TEST_FIRST)
            status = gb_fail(GB_BAD_INPUT, "cannot draw horses", gb_split_name(split),
                             "%d examples are out of range", counts[split]);
    }
    for (int split = 0; status == GB_OK && split < GB_SPLITS; split++)
        status = draw_split(seed, first[split], size, counts[split], threads, &splits[split]);
    for (int split = 0; status != GB_OK && split < GB_SPLITS; split++)
        gb_dataset_free(&splits[split]);
    return status;
}
