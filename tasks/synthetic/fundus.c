// SPDX-License-Identifier: MIT
#include "tasks/synthetic/fundus.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/parallel.h"
#include "tasks/synthetic/canvas.h"

// Lengths are in units of the picture's side, y points down.

// What the numbers of a picture are for: the key's step.
enum { STEP_COMPOSITION, STEP_TEXTURE, STEP_SENSOR };

enum { MAX_VESSELS = 4096, MAX_SPOTS = 12, MAX_BRANCHINGS = 5 };

// A piece of a vessel.
struct vessel {
    struct gb_limb limb;
    double contrast;       // share of the green light that it takes at its middle
    double second_opinion; // of its radius: the second observer's factor; 0 where overlooked
};

struct spot {
    struct gb_point centre;
    double radius, gain;
};

struct scene {
    struct gb_value_noise noise;
    struct gb_point disc, macula, light;
    double disc_radius, brightness, unevenness;
    struct gb_colour retina;
    int vessel_count, spot_count;
    struct vessel vessels[MAX_VESSELS];
    struct spot spots[MAX_SPOTS];
};

static const struct gb_point middle = {0.5, 0.5};
static const double field_radius = 0.47;

static double distance(struct gb_point a, struct gb_point b) {
    double x = a.x - b.x, y = a.y - b.y;
    return sqrt(x * x + y * y);
}

// ---- vessels ----

struct growth {
    struct gb_point at;
    double x, y;   // direction
    double curve;  // how much it turns a step, on average
    double radius; // where it starts
    double contrast;
    int branchings; // above it
};

// The direction turned by the angle of this tangent.
static void turn(struct growth *growth, double tangent) {
    double x = growth->x - tangent * growth->y, y = growth->y + tangent * growth->x;
    double scale = 1 / sqrt(x * x + y * y);
    growth->x = x * scale;
    growth->y = y * scale;
}

static void grow(struct scene *scene, struct gb_dice *dice, struct growth growth);

// A branch to one side; the rest turns to the other and gets thinner: cubes of radii about add up.
static void branch(struct scene *scene, struct gb_dice *dice, struct growth *growth) {
    struct growth side = *growth;
    double where = gb_chance(dice, 0.5) ? 1 : -1, angle = gb_roll(dice, 0.5, 1.3);
    turn(&side, where * angle);
    turn(growth, -0.25 * where * angle);
    side.radius *= gb_roll(dice, 0.5, 0.8);
    side.curve = gb_roll(dice, -0.08, 0.08);
    side.branchings++;
    growth->radius *= 0.92;
    grow(scene, dice, side);
}

static void grow(struct scene *scene, struct gb_dice *dice, struct growth growth) {
    const double step = 0.02, thinnest = 0.0032, thin = 0.0075;
    bool overlooked = growth.radius < thin && gb_chance(dice, 0.35);
    double opinion = overlooked ? 0 : gb_roll(dice, 0.8, 1.25), wander = 0;
    while (growth.radius > thinnest && distance(growth.at, middle) < field_radius &&
           scene->vessel_count < MAX_VESSELS) {
        wander = 0.7 * wander + gb_roll(dice, -0.12, 0.12);
        turn(&growth, growth.curve + wander);
        struct gb_point next = gb_along(growth.at, growth.x, growth.y, step);
        double end = 0.975 * growth.radius;
        // Thin vessels lie deeper: they show less.
        double shown = growth.contrast * (0.5 + 0.5 * gb_smooth(growth.radius / 0.01));
        scene->vessels[scene->vessel_count++] = (struct vessel){
            .limb = {.a = growth.at, .b = next, .radius_a = growth.radius, .radius_b = end},
            .contrast = shown,
            .second_opinion = opinion};
        growth.at = next;
        growth.radius = end;
        if (growth.branchings < MAX_BRANCHINGS && gb_chance(dice, 0.2))
            branch(scene, dice, &growth);
    }
}

// From the disc a vein and an artery arch over and under the macula, and as many leave the other
// way.
static void grow_all(struct scene *scene, struct gb_dice *dice) {
    double towards = scene->macula.x > scene->disc.x ? 1 : -1;
    for (int tree = 0; tree < 8; tree++) {
        double up = tree & 1 ? 1 : -1;
        bool arch = tree & 2, vein = tree & 4;
        double slope = gb_roll(dice, 0.3, 0.6), radius = gb_roll(dice, 0.0085, 0.012);
        struct growth growth = {.at = gb_plus(scene->disc, gb_roll(dice, -0.02, 0.02), 0),
                                .radius = (arch ? 1.0 : 0.75) * (vein ? 1.2 : 0.9) * radius,
                                .contrast = vein ? 0.38 : 0.28};
        growth.x = arch ? towards * slope : -towards;
        growth.y = up * (arch ? 1 : slope * 1.5);
        turn(&growth, 0); // to unit length
        // An arch bends towards the macula's side, then along.
        growth.curve =
            arch ? -towards * up * gb_roll(dice, 0.03, 0.06) : gb_roll(dice, -0.03, 0.03);
        grow(scene, dice, growth);
    }
}

// ---- the rest of the scene ----

// Bright and dark spots, as disease leaves them, that are no vessels.
static void add_spots(struct scene *scene, struct gb_dice *dice) {
    scene->spot_count = (int)gb_roll(dice, 0, MAX_SPOTS + 1);
    for (int i = 0; i < scene->spot_count; i++) {
        struct spot *spot = &scene->spots[i];
        const struct gb_box room = {0.15, 0.15, 0.85, 0.85};
        spot->centre = gb_roll_point(dice, &room);
        spot->radius = gb_roll(dice, 0.006, 0.02);
        spot->gain = gb_chance(dice, 0.5) ? gb_roll(dice, 1.2, 1.6) : gb_roll(dice, 0.55, 0.8);
    }
}

static void build(struct scene *scene, uint64_t seed, uint32_t index) {
    struct gb_dice dice = {.key = gb_synthetic_key(seed, STEP_COMPOSITION, index)};
    double side = gb_chance(&dice, 0.5) ? 1 : -1;
    const struct gb_box disc = {0.5 + 0.25 * side - 0.04, 0.44, 0.5 + 0.25 * side + 0.04, 0.56};
    scene->disc = gb_roll_point(&dice, &disc);
    scene->disc_radius = gb_roll(&dice, 0.05, 0.07);
    scene->macula = gb_plus(scene->disc, -side * gb_roll(&dice, 0.26, 0.32), 0);
    scene->macula.y += gb_roll(&dice, 0, 0.05);
    const struct gb_box light = {0.25, 0.25, 0.75, 0.75};
    scene->light = gb_roll_point(&dice, &light);
    scene->brightness = gb_roll(&dice, 0.75, 1.15);
    scene->unevenness = gb_roll(&dice, 0.6, 2.0);
    static const struct gb_colour pale = {0.86, 0.50, 0.26}, dark = {0.66, 0.30, 0.14};
    scene->retina = gb_blend(pale, dark, gb_roll(&dice, 0, 1));
    scene->vessel_count = 0;
    grow_all(scene, &dice);
    add_spots(scene, &dice);
    const struct gb_random_key texture = gb_synthetic_key(seed, STEP_TEXTURE, index);
    gb_value_noise_create(&scene->noise, &texture);
}

// ---- drawing ----

// The retina at p without its vessels.
static struct gb_colour background(const struct scene *scene, struct gb_point p) {
    const struct gb_value_noise *noise = &scene->noise;
    double x = p.x - scene->light.x, y = p.y - scene->light.y;
    double light = scene->brightness * fmax(0.35, 1.1 - scene->unevenness * (x * x + y * y));
    double texture = 0.5 * gb_value_noise_at(noise, 5 * p.x, 5 * p.y) +
                     0.3 * gb_value_noise_at(noise, 11 * p.x + 4 * p.y, 30 * p.y - 9 * p.x) +
                     0.2 * gb_value_noise_at(noise, 40 * p.x, 40 * p.y + 7);
    double gain = light * (0.75 + 0.5 * texture);
    gain *= 1 - 0.35 * (1 - gb_smooth(distance(p, scene->macula) / 0.13));
    for (int i = 0; i < scene->spot_count; i++) {
        const struct spot *spot = &scene->spots[i];
        double there = 1 - gb_smooth(distance(p, spot->centre) / spot->radius - 0.5);
        gain *= 1 + (spot->gain - 1) * there;
    }
    static const struct gb_colour disc = {1.0, 0.82, 0.55};
    double rim = (distance(p, scene->disc) - 0.8 * scene->disc_radius) / (0.4 * scene->disc_radius);
    return gb_gain(gb_blend(disc, scene->retina, gb_smooth(rim)), gain);
}

// What is known of the points that pixels are made of, `side` by side of a pixel.
struct raster {
    int side, points; // points along the picture
    float *taken;     // green light that the vessels take
    unsigned char *seen;
};
enum { FIRST = 1, SECOND = 2 }; // observers, in `seen`

static void draw_vessel(const struct raster *raster, const struct vessel *vessel) {
    double widest = fmax(1, vessel->second_opinion), points = raster->points;
    struct gb_limb wide = vessel->limb;
    wide.radius_a *= widest;
    wide.radius_b *= widest;
    struct gb_box box = gb_limb_box(&wide);
    int left = (int)gb_clamp(box.left * points, 0, points);
    int right = (int)gb_clamp(box.right * points + 1, 0, points);
    int top = (int)gb_clamp(box.top * points, 0, points);
    int bottom = (int)gb_clamp(box.bottom * points + 1, 0, points);
    for (int i = top; i < bottom; i++)
        for (int j = left; j < right; j++) {
            struct gb_point p = {(j + 0.5) / points, (i + 0.5) / points};
            struct gb_nearness near = gb_limb_nearness(&vessel->limb, p);
            double square = near.x * near.x + near.y * near.y, radius = near.radius;
            size_t place = (size_t)i * (size_t)raster->points + (size_t)j;
            if (square <= radius * radius) {
                float taken = (float)(vessel->contrast * (1 - 0.5 * square / (radius * radius)));
                raster->seen[place] |= FIRST;
                raster->taken[place] = taken > raster->taken[place] ? taken : raster->taken[place];
            }
            radius *= vessel->second_opinion;
            if (square <= radius * radius)
                raster->seen[place] |= SECOND;
        }
}

static unsigned char to_byte(double value) {
    return (unsigned char)(255 * gb_clamp(value, 0, 1) + 0.5);
}

struct pixel {
    struct gb_colour colour;
    int seen_first, seen_second, inside; // points
};

static struct pixel look(const struct scene *scene, const struct raster *raster, int x, int y) {
    const int side = raster->side;
    struct pixel pixel = {0};
    for (int s = 0; s < side * side; s++) {
        int j = x * side + s % side, i = y * side + s / side;
        struct gb_point p = {(j + 0.5) / raster->points, (i + 0.5) / raster->points};
        if (distance(p, middle) > field_radius)
            continue;
        size_t place = (size_t)i * (size_t)raster->points + (size_t)j;
        double taken = (double)raster->taken[place];
        struct gb_colour colour = background(scene, p);
        pixel.colour.r += colour.r * (1 - 0.4 * taken);
        pixel.colour.g += colour.g * (1 - taken);
        pixel.colour.b += colour.b * (1 - 0.7 * taken);
        pixel.seen_first += (raster->seen[place] & FIRST) != 0;
        pixel.seen_second += (raster->seen[place] & SECOND) != 0;
        pixel.inside++;
    }
    return pixel;
}

static void draw_pixels(const struct scene *scene, const struct raster *raster,
                        const struct gb_random_key *sensor, const struct gb_vessel_image *picture) {
    const int size = picture->image.w, points = raster->side * raster->side;
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++) {
            struct pixel pixel = look(scene, raster, x, y);
            size_t place = (size_t)y * (size_t)size + (size_t)x;
            double noise = 0.07 * ((double)gb_random_uniform(sensor, (uint32_t)place) - 0.5);
            unsigned char *to = picture->image.pixels + 3 * place;
            to[0] = to_byte(pixel.colour.r / points + noise);
            to[1] = to_byte(pixel.colour.g / points + noise);
            to[2] = to_byte(pixel.colour.b / points + noise);
            picture->vessels.pixels[place] = 2 * pixel.seen_first >= points ? 255 : 0;
            picture->second.pixels[place] = 2 * pixel.seen_second >= points ? 255 : 0;
            picture->field.pixels[place] = 2 * pixel.inside >= points ? 255 : 0;
        }
}

static enum gb_status create(int size, struct gb_vessel_image *picture) {
    static const char where[] = "synthetic fundus";
    *picture = (struct gb_vessel_image){0};
    GB_TRY(gb_image_create(&picture->image, size, size, 3, 8, where));
    GB_TRY(gb_image_create(&picture->vessels, size, size, 1, 8, where));
    GB_TRY(gb_image_create(&picture->second, size, size, 1, 8, where));
    return gb_image_create(&picture->field, size, size, 1, 8, where);
}

static enum gb_status draw(uint64_t seed, uint32_t index, struct scene *scene,
                           const struct raster *raster, struct gb_vessel_image *picture) {
    if (!scene || !raster->taken || !raster->seen)
        return gb_no_memory("cannot draw", "synthetic fundus");
    const struct gb_random_key sensor = gb_synthetic_key(seed, STEP_SENSOR, index);
    build(scene, seed, index);
    for (int i = 0; i < scene->vessel_count; i++)
        draw_vessel(raster, &scene->vessels[i]);
    draw_pixels(scene, raster, &sensor, picture);
    return GB_OK;
}

enum gb_status gb_fundus_draw(uint64_t seed, uint32_t index, int size,
                              struct gb_vessel_image *picture) {
    enum gb_status status = create(size, picture);
    if (status == GB_OK) {
        // Nine points a pixel: the thinnest vessels are about a pixel wide.
        struct raster raster = {.side = 3, .points = 3 * size};
        size_t points = (size_t)raster.points * (size_t)raster.points;
        struct scene *scene = malloc(sizeof *scene);
        raster.taken = calloc(points, sizeof *raster.taken);
        raster.seen = calloc(points, sizeof *raster.seen);
        status = draw(seed, index, scene, &raster, picture);
        free(scene);
        free(raster.taken);
        free(raster.seen);
    }
    if (status != GB_OK)
        gb_vessel_image_clear(picture);
    return status;
}

// ---- the data set ----

struct drawing {
    uint64_t seed;
    uint32_t first;
    int side;
    struct gb_vessel_image *pictures;
};

static enum gb_status draw_one(void *argument, int index) {
    const struct drawing *drawing = argument;
    return gb_fundus_draw(drawing->seed, drawing->first + (uint32_t)index, drawing->side,
                          &drawing->pictures[index]);
}

static enum gb_status load_split(uint64_t seed, int side, enum gb_split split, int count,
                                 const struct gb_source *source, struct gb_dataset *set) {
    assert(count >= 1 && count <= GB_SYNTHETIC_TEST_FIRST);
    struct drawing drawing = {.seed = seed,
                              .first = split == GB_SPLIT_TEST ? GB_SYNTHETIC_TEST_FIRST : 0,
                              .side = side,
                              .pictures = calloc((size_t)count, sizeof *drawing.pictures)};
    if (!drawing.pictures)
        return gb_no_memory("cannot draw", "synthetic fundus");
    const enum gb_status status = gb_parallel_tries(source->threads, count, draw_one, &drawing);
    if (status != GB_OK) {
        gb_vessel_images_free(drawing.pictures, count);
        return status;
    }
    GB_TRY(gb_vessels_hold(drawing.pictures, count, split, source, set));
    for (int i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "fundus%07u", drawing.first + (unsigned)i);
        GB_TRY(gb_dataset_name(set, i, name));
    }
    return GB_OK;
}

enum gb_status gb_fundus_load(uint64_t seed, int side, int train_count, int test_count,
                              const struct gb_source *source, struct gb_dataset splits[]) {
    const int counts[GB_SPLITS] = {train_count, test_count};
    enum gb_status status = GB_OK;
    gb_splits_clear(splits);
    for (int split = 0; status == GB_OK && split < GB_SPLITS; split++)
        status =
            load_split(seed, side, (enum gb_split)split, counts[split], source, &splits[split]);
    return gb_splits_keep(splits, status);
}
