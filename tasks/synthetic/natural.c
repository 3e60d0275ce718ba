// SPDX-License-Identifier: MIT
// All arithmetic is + - * / sqrt and floor, which every machine rounds alike.
#include "tasks/synthetic/natural.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/parallel.h"
#include "tasks/synthetic/canvas.h"

// Textures of a picture: fields of mean 0 and a deviation of about 1 that all its objects wear,
// each in a mixture of its own.
enum { ROUGH, SOFT, GRAINED, TEXTURES };

enum { OCTAVES = 10 };

// What the numbers of a picture are for: the key's step. Those of textures follow, one for each
// octave of each.
enum { STEP_COMPOSITION, STEP_TEXTURE };

struct painting {
    int w, h;
    double unit; // pixels: the shorter side
    struct gb_random_key key;
    float *texture[TEXTURES]; // planes of h * w
    float *colour[3];
    // Room for one octave of a texture.
    float *lattice, *blended[3], *weights[3];
    int *nodes;
};

// ---- textures ----

// Quadratic B-spline weights of the three lattice points around a place, `past` after the first.
static void spline(float past, float weights[static 3]) {
    weights[0] = 0.5f * (1.0f - past) * (1.0f - past);
    weights[1] = 0.5f + past * (1.0f - past);
    weights[2] = 0.5f * past * past;
}

// `count` numbers of variance 1, eight of each Philox block: random_uniform's four would take twice
// the time.
static void draw_lattice_row(const struct gb_random_key *key, int row, int count, float *lattice) {
    const int blocks = (count + 7) / 8;
    for (int block = 0; block < blocks; block++) {
        uint32_t words[4];
        gb_philox(key, (uint32_t)row * (uint32_t)blocks + (uint32_t)block, words);
        for (int i = 0; i < 8; i++) {
            const float number = (float)(words[i / 2] >> 16 * (i % 2) & 0xffff) - 32767.5f;
            lattice[8 * block + i] = number * (1.7320508f / 32767.5f);
        }
    }
}

// Adds noise of one octave: random numbers on a lattice of cell_w x cell_h pixels, smoothed by a
// quadratic B-spline, which leaves little of other octaves and no trace of the lattice.
static void add_octave(struct painting *painting, const struct gb_random_key *key, double cell_w,
                       double cell_h, float amplitude, float *field) {
    const int w = painting->w, h = painting->h;
    const int columns = (int)((w - 0.5) / cell_w) + 3;
    for (int x = 0; x < w; x++) {
        const double place = (x + 0.5) / cell_w;
        float weights[3];
        painting->nodes[x] = (int)place;
        spline((float)(place - painting->nodes[x]), weights);
        for (int i = 0; i < 3; i++)
            painting->weights[i][x] = weights[i];
    }
    const float *left = painting->weights[0], *middle = painting->weights[1],
                *right = painting->weights[2];
    for (int y = 0, drawn = 0; y < h; y++) {
        const double place = (y + 0.5) / cell_h;
        const int row = (int)place;
        for (; drawn < row + 3; drawn++) {
            draw_lattice_row(key, drawn, columns, painting->lattice);
            float *blended = painting->blended[drawn % 3];
            for (int x = 0; x < w; x++) {
                const float *node = painting->lattice + painting->nodes[x];
                blended[x] = left[x] * node[0] + middle[x] * node[1] + right[x] * node[2];
            }
        }
        float weights[3];
        spline((float)(place - row), weights);
        const float upper = amplitude * weights[0], centre = amplitude * weights[1],
                    lower = amplitude * weights[2];
        const float *a = painting->blended[row % 3], *b = painting->blended[(row + 1) % 3],
                    *c = painting->blended[(row + 2) % 3];
        float *out = field + (size_t)y * (size_t)w;
        for (int x = 0; x < w; x++)
            out[x] += upper * a[x] + centre * b[x] + lower * c[x];
    }
}

// Octaves from half the picture down to a pixel, each `fall` as strong as the one before: 1 makes
// power fall with the square of frequency. Cells are stretched sideways or upwards by `stretch`.
static void draw_texture(struct painting *painting, int texture, double fall, double stretch_w,
                         double stretch_h) {
    // Eight octaves of this deviation have variance 1; a quadratic B-spline leaves 11/20 of a
    // deviation.
    double amplitude = 0.35 * 20.0 / 11.0, cell = painting->unit / 2.0;
    for (int octave = 0; octave < OCTAVES && cell >= 1.0; octave++) {
        struct gb_random_key key = painting->key;
        key.step = (uint32_t)(STEP_TEXTURE + texture * OCTAVES + octave);
        add_octave(painting, &key, cell * stretch_w, cell * stretch_h, (float)amplitude,
                   painting->texture[texture]);
        cell /= 2.0;
        amplitude *= fall;
    }
}

static void draw_textures(struct painting *painting, struct gb_dice *dice) {
    draw_texture(painting, ROUGH, gb_roll(dice, 1.0, 1.2), 1.0, 1.0);
    draw_texture(painting, SOFT, gb_roll(dice, 0.5, 0.8), 1.0, 1.0);
    const double stretch = gb_roll(dice, 2.0, 5.0);
    const bool upright = gb_chance(dice, 0.5);
    draw_texture(painting, GRAINED, gb_roll(dice, 0.9, 1.1), upright ? 1.0 : stretch,
                 upright ? stretch : 1.0);
}

// ---- objects ----

// An ellipse or a box with a wavy outline. Lengths are in pixels.
struct leaf {
    bool box;
    float x, y, cosine, sine; // of the middle and of the longer axis
    float a, b;               // half axes
    float wave;               // of the outline, by the soft texture
    float edge;               // width of the transition from outside to inside
    struct gb_colour one, other;
    float mixture, marbling; // share of the other colour, and how much it varies
    float light, slope_x, slope_y;
    float relief[TEXTURES];
};

enum { PALETTE = 5, MOST_LEAVES = 600 };

// How a picture is composed.
struct style {
    struct gb_colour palette[PALETTE];
    double smallest, largest; // half axes of leaves
    double cover;             // area of all leaves, in areas of the picture
    double waviness, roughness, blur;
};

static struct gb_colour surface(struct gb_dice *dice) {
    static const struct gb_colour surfaces[] = {
        {0.62, 0.72, 0.84}, // sky
        {0.88, 0.88, 0.86}, // cloud, snow
        {0.25, 0.36, 0.14}, // foliage
        {0.52, 0.55, 0.26}, // dry grass
        {0.45, 0.33, 0.22}, // earth
        {0.76, 0.66, 0.50}, // sand
        {0.55, 0.52, 0.49}, // stone
        {0.22, 0.30, 0.36}, // water
        {0.12, 0.11, 0.10}, // shade
        {0.78, 0.57, 0.45}, // skin
        {0.66, 0.22, 0.16}, // brick, petals
        {0.83, 0.68, 0.20}, // straw, petals
    };
    return gb_vary(dice, gb_pick(dice, surfaces, sizeof surfaces / sizeof *surfaces), 0.7, 1.2);
}

static struct style roll_style(struct gb_dice *dice) {
    struct style style;
    for (int i = 0; i < PALETTE; i++)
        style.palette[i] = surface(dice);
    style.smallest = gb_roll(dice, 0.012, 0.08);
    style.largest = gb_roll(dice, 0.3, 0.8);
    style.cover = gb_roll(dice, 0.5, 2.5);
    style.waviness = gb_roll(dice, 0.0, 0.5);
    style.roughness = gb_roll(dice, 0.06, 0.19);
    style.blur = gb_chance(dice, 0.4) ? gb_roll(dice, 0.0, 0.04) : 0.0;
    return style;
}

static void roll_surface(const struct painting *painting, const struct style *style, double size,
                         struct gb_dice *dice, struct leaf *leaf) {
    leaf->one = gb_pick(dice, style->palette, PALETTE);
    leaf->other = gb_pick(dice, style->palette, PALETTE);
    leaf->mixture = (float)gb_roll(dice, 0.0, 0.4);
    leaf->marbling = (float)gb_roll(dice, 0.0, 0.2);
    leaf->light = (float)gb_roll(dice, 0.6, 1.3);
    // Light falls off across the leaf.
    leaf->slope_x = (float)(gb_roll(dice, -0.25, 0.25) / (size * painting->unit));
    leaf->slope_y = (float)(gb_roll(dice, -0.35, 0.1) / (size * painting->unit));
    for (int texture = 0; texture < TEXTURES; texture++) {
        const double depth = gb_chance(dice, 0.6) ? style->roughness : 0.2 * style->roughness;
        leaf->relief[texture] = (float)(depth * gb_roll(dice, -1.6, 1.6));
    }
}

static struct leaf roll_leaf(const struct painting *painting, const struct style *style,
                             struct gb_dice *dice) {
    struct leaf leaf;
    // The density of sizes falls with their cube, so that none is special.
    const double narrow = style->smallest / style->largest;
    const double size =
        style->smallest / sqrt(1.0 - gb_roll(dice, 0.0, 1.0) * (1.0 - narrow * narrow));
    const double unit = painting->unit, aspect = gb_roll(dice, 0.3, 1.0);
    leaf.box = gb_chance(dice, 0.3);
    // Boxes mostly stand upright, as what people build does.
    const double slope = leaf.box ? gb_roll(dice, -0.15, 0.15) : gb_roll(dice, -2.0, 2.0);
    const double norm = sqrt(1.0 + slope * slope);
    leaf.x = (float)gb_roll(dice, 0.0, painting->w);
    leaf.y = (float)gb_roll(dice, 0.0, painting->h);
    leaf.cosine = (float)(1.0 / norm);
    leaf.sine = (float)(slope / norm);
    leaf.a = (float)(size * unit);
    leaf.b = (float)(size * aspect * unit);
    leaf.wave = leaf.box ? 0.0f : (float)(style->waviness * size * aspect * unit);
    leaf.edge = (float)fmax(1.0, style->blur * gb_roll(dice, 0.0, 1.0) * unit);
    roll_surface(painting, style, size, dice, &leaf);
    return leaf;
}

static inline float clamp(float value, float low, float high) {
    value = value < low ? low : value;
    return value > high ? high : value;
}

static inline float lesser(float a, float b) {
    return a < b ? a : b;
}

// Of a vector of these two, neither negative: within 8 %, and a root is what compilers do not
// vectorise here.
static inline float length(float a, float b) {
    return a > b ? a + 0.4f * b : b + 0.4f * a;
}

// Pixels [*first, *end) of `count` that lie within `reach` of the middle.
static void extent(float middle, float reach, int count, int *first, int *end) {
    *first = (int)clamp(middle - reach, 0.0f, (float)count);
    *end = (int)clamp(middle + reach + 1.0f, 0.0f, (float)count);
}

static void paint_row(const struct painting *painting, const struct leaf *leaf, int y, int first,
                      int end) {
    const size_t row = (size_t)y * (size_t)painting->w;
    const float *rough = painting->texture[ROUGH] + row, *soft = painting->texture[SOFT] + row,
                *grained = painting->texture[GRAINED] + row;
    float *restrict red = painting->colour[0] + row, *restrict green = painting->colour[1] + row,
                    *restrict blue = painting->colour[2] + row;
    const struct leaf l = *leaf;
    const float one[3] = {(float)l.one.r, (float)l.one.g, (float)l.one.b};
    const float change[3] = {(float)(l.other.r - l.one.r), (float)(l.other.g - l.one.g),
                             (float)(l.other.b - l.one.b)};
    const float inverse_a = 1.0f / (l.a * l.a), inverse_b = 1.0f / (l.b * l.b);
    const float sharpness = 1.0f / l.edge, dy = (float)y + 0.5f - l.y;
    for (int x = first; x < end; x++) {
        const float dx = (float)x + 0.5f - l.x;
        const float u = l.cosine * dx + l.sine * dy, v = l.cosine * dy - l.sine * dx;
        // How far inside: exact for a box, near its edge nearly so for an ellipse.
        const float along = u * inverse_a, across = v * inverse_b;
        const float gradient = 2.0f * length(fabsf(along), fabsf(across)) + 1e-6f;
        const float in_box = lesser(l.a - fabsf(u), l.b - fabsf(v));
        const float in_ellipse = (1.0f - u * along - v * across) / gradient;
        const float inside = (l.box ? in_box : in_ellipse) + l.wave * soft[x];
        const float cover = clamp(0.5f + inside * sharpness, 0.0f, 1.0f);
        const float light = l.light + l.slope_x * dx + l.slope_y * dy + l.relief[ROUGH] * rough[x] +
                            l.relief[SOFT] * soft[x] + l.relief[GRAINED] * grained[x];
        const float share = clamp(l.mixture + l.marbling * soft[x], 0.0f, 1.0f);
        red[x] += cover * (light * (one[0] + share * change[0]) - red[x]);
        green[x] += cover * (light * (one[1] + share * change[1]) - green[x]);
        blue[x] += cover * (light * (one[2] + share * change[2]) - blue[x]);
    }
}

static void paint_leaf(const struct painting *painting, const struct leaf *leaf) {
    // The soft texture hardly ever passes 4.
    const float reach =
        sqrtf(leaf->a * leaf->a + leaf->b * leaf->b) + 4.0f * leaf->wave + leaf->edge;
    int top, bottom, left, right;
    extent(leaf->y, reach, painting->h, &top, &bottom);
    extent(leaf->x, reach, painting->w, &left, &right);
    for (int y = top; y < bottom; y++)
        paint_row(painting, leaf, y, left, right);
}

// The farthest surface, which all others hide: a leaf with its edges far outside.
static void paint_ground(const struct painting *painting, const struct style *style,
                         struct gb_dice *dice) {
    struct leaf ground = {.box = true,
                          .x = (float)painting->w / 2.0f,
                          .y = (float)painting->h / 2.0f,
                          .cosine = 1.0f,
                          .a = 2.0f * (float)painting->w,
                          .b = 2.0f * (float)painting->h,
                          .edge = 1.0f};
    roll_surface(painting, style, 1.0, dice, &ground);
    paint_leaf(painting, &ground);
}

static void paint(struct painting *painting) {
    struct gb_dice dice = {.key = painting->key};
    dice.key.step = STEP_COMPOSITION;
    draw_textures(painting, &dice);
    const struct style style = roll_style(&dice);
    paint_ground(painting, &style, &dice);
    // The mean square of sizes is 2 smallest^2 ln(largest / smallest) nearly, of which 5
    // smallest^2 is a fair account; a leaf covers about twice that.
    const double area = painting->w / painting->unit * (painting->h / painting->unit);
    const double leaves = style.cover * area / (10.0 * style.smallest * style.smallest);
    const int count = (int)fmin(leaves, MOST_LEAVES * area);
    for (int i = 0; i < count; i++) {
        const struct leaf leaf = roll_leaf(painting, &style, &dice);
        if (leaf.b >= 0.5f) // thinner than a pixel
            paint_leaf(painting, &leaf);
    }
}

// ---- pictures ----

static void develop(const struct painting *painting, struct gb_image *image) {
    const size_t pixels = (size_t)painting->w * (size_t)painting->h;
    for (size_t i = 0; i < pixels; i++)
        for (int c = 0; c < 3; c++)
            image->pixels[3 * i + (size_t)c] =
                (unsigned char)(clamp(painting->colour[c][i], 0.0f, 1.0f) * 255.0f + 0.5f);
}

enum gb_status gb_natural_draw(uint64_t seed, uint32_t index, int w, int h,
                               struct gb_image *image) {
    GB_TRY(gb_image_create(image, w, h, 3, 8, "natural picture"));
    struct painting painting = {
        .w = w, .h = h, .unit = w < h ? w : h, .key = gb_synthetic_key(seed, 0, index)};
    const size_t pixels = (size_t)w * (size_t)h, columns = (size_t)w, lattice = columns + 16;
    float *room = calloc((TEXTURES + 3) * pixels + 6 * columns + lattice, sizeof *room);
    painting.nodes = malloc(columns * sizeof *painting.nodes);
    const bool enough = room && painting.nodes;
    if (enough) {
        float *next = room;
        for (int i = 0; i < TEXTURES; i++, next += pixels)
            painting.texture[i] = next;
        for (int i = 0; i < 3; i++, next += pixels)
            painting.colour[i] = next;
        for (int i = 0; i < 3; i++, next += columns)
            painting.weights[i] = next;
        for (int i = 0; i < 3; i++, next += columns)
            painting.blended[i] = next;
        painting.lattice = next;
        paint(&painting);
        develop(&painting, image);
    }
    free(room);
    free(painting.nodes);
    if (enough)
        return GB_OK;
    gb_image_free(image);
    return gb_no_memory("cannot draw", "natural pictures");
}

struct drawing {
    uint64_t seed;
    uint32_t first;
    int w, h;
    struct gb_image_list *list;
};

static enum gb_status draw_one(void *argument, int index) {
    const struct drawing *drawing = argument;
    char name[32];
    snprintf(name, sizeof name, "natural%07u", drawing->first + (unsigned)index);
    char **kept = &drawing->list->names[index];
    *kept = strdup(name);
    if (!*kept)
        return gb_no_memory("cannot draw", "natural pictures");
    return gb_natural_draw(drawing->seed, drawing->first + (uint32_t)index, drawing->w, drawing->h,
                           &drawing->list->images[index]);
}

enum gb_status gb_natural_images(uint64_t seed, uint32_t first, int count, int w, int h,
                                 int threads, struct gb_image_list *list) {
    GB_TRY(gb_image_list_create(list, count));
    struct drawing drawing = {seed, first, w, h, list};
    const enum gb_status status = gb_parallel_tries(threads, count, draw_one, &drawing);
    if (status != GB_OK)
        gb_image_list_free(list);
    return status;
}
