// SPDX-License-Identifier: MIT
#include "tasks/synthetic/depth.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/parallel.h"
#include "kernels/random/random.h"
#include "tasks/synthetic/canvas.h"

// Metres; y points down, and the floor is at y = 0.
struct vector {
    double x, y, z;
};

// A box that is turned about the vertical: `cosine` and `sine` turn the world's axes into its own.
struct box {
    struct vector middle, half;
    double cosine, sine;
};

struct ball {
    struct vector middle;
    double radius;
};

enum { MOST_THINGS = 6 };

struct room {
    struct box walls; // seen from inside
    struct box boxes[MOST_THINGS];
    struct ball balls[MOST_THINGS];
    int box_count, ball_count;
    struct vector eye;
    double right[3], down[3], forward[3]; // the camera's axes
};

// What the numbers of an example are for: the key's step.
enum { STEP_ROOM, STEP_NOISE, STEP_FIELD, STEP_HOLES, STEP_WINDOW };

// The sensor: 160 x 120 pixels, a projector to the right of the camera (metres).
static const double ACROSS = 160, DOWN = 120, FOCAL = 146.25, BASELINE = 0.075;
// Of disparity, which is found at four times the resolution, in pixels of 640 across. The offset is
// as large as the noise's deviation: what averaging leaves is then most of it.
static const double STEP = 1.0 / 8.0, NOISE = 0.10, FIELD = 0.5, OFFSET = 0.1;
static const double FARTHEST = 4.5;

static struct vector minus(struct vector a, struct vector b) {
    return (struct vector){a.x - b.x, a.y - b.y, a.z - b.z};
}

static struct vector at(struct vector from, struct vector direction, double t) {
    return (struct vector){from.x + t * direction.x, from.y + t * direction.y,
                           from.z + t * direction.z};
}

static double dot(struct vector a, struct vector b) {
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

// ---- rays ----

// What a ray meets first, and the surface's normal there (of length 1; its sign does not matter).
struct hit {
    double t;
    struct vector normal;
};

static struct vector turn(struct vector v, double cosine, double sine) {
    return (struct vector){cosine * v.x + sine * v.z, v.y, cosine * v.z - sine * v.x};
}

// Entry into a box from outside, or exit from inside, if nearer than *hit.
static void meet_box(const struct box *box, struct vector from, struct vector direction,
                     struct hit *hit) {
    const struct vector f = turn(minus(from, box->middle), box->cosine, box->sine);
    const struct vector d = turn(direction, box->cosine, box->sine);
    const double place[3] = {f.x, f.y, f.z}, slope[3] = {d.x, d.y, d.z};
    const double half[3] = {box->half.x, box->half.y, box->half.z};
    double enter = -INFINITY, leave = INFINITY;
    int enter_axis = 0, leave_axis = 0;
    for (int axis = 0; axis < 3; axis++) {
        if (slope[axis] == 0) {
            if (fabs(place[axis]) > half[axis])
                return;
            continue;
        }
        double near = (-half[axis] - place[axis]) / slope[axis];
        double far = (half[axis] - place[axis]) / slope[axis];
        if (near > far) {
            double other = near;
            near = far;
            far = other;
        }
        if (near > enter)
            enter = near, enter_axis = axis;
        if (far < leave)
            leave = far, leave_axis = axis;
    }
    const double least = 1e-6;
    const bool inside = enter < least;
    const double t = inside ? leave : enter;
    if (enter > leave || t < least || t >= hit->t)
        return;
    const int axis = inside ? leave_axis : enter_axis;
    const struct vector normal = {axis == 0, axis == 1, axis == 2};
    *hit = (struct hit){t, turn(normal, box->cosine, -box->sine)};
}

static void meet_ball(const struct ball *ball, struct vector from, struct vector direction,
                      struct hit *hit) {
    const struct vector f = minus(from, ball->middle);
    const double a = dot(direction, direction), b = dot(direction, f);
    const double c = dot(f, f) - ball->radius * ball->radius, under = b * b - a * c;
    if (under <= 0)
        return;
    const double t = (-b - sqrt(under)) / a;
    if (t < 1e-6 || t >= hit->t)
        return;
    const struct vector out = minus(at(from, direction, t), ball->middle);
    const double scale = 1 / ball->radius;
    *hit = (struct hit){t, {scale * out.x, scale * out.y, scale * out.z}};
}

static struct hit look(const struct room *room, struct vector from, struct vector direction) {
    struct hit hit = {.t = INFINITY};
    meet_box(&room->walls, from, direction, &hit);
    for (int i = 0; i < room->box_count; i++)
        meet_box(&room->boxes[i], from, direction, &hit);
    for (int i = 0; i < room->ball_count; i++)
        meet_ball(&room->balls[i], from, direction, &hit);
    return hit;
}

// The direction of the ray through a place of the image, in pixels from its middle; it gains one
// metre of depth a metre.
static struct vector sight(const struct room *room, double x, double y) {
    const double u = x / FOCAL, v = y / FOCAL;
    const double *r = room->right, *d = room->down, *f = room->forward;
    return (struct vector){u * r[0] + v * d[0] + f[0], u * r[1] + v * d[1] + f[1],
                           u * r[2] + v * d[2] + f[2]};
}

// ---- rooms ----

// A random direction in the plane, not evenly spread, without a sine.
static void roll_turn(struct gb_dice *dice, double most, double *cosine, double *sine) {
    const double t = gb_roll(dice, -most, most), norm = 1 + t * t;
    *cosine = (1 - t * t) / norm;
    *sine = 2 * t / norm;
}

// A place on the floor of what the camera looks at.
static struct vector roll_place(struct gb_dice *dice, const struct room *room) {
    const double distance = gb_roll(dice, 1.2, 3.2), side = gb_roll(dice, -0.45, 0.45) * distance;
    return (struct vector){room->eye.x + distance * room->forward[0] + side * room->right[0], 0,
                           room->eye.z + distance * room->forward[2] + side * room->right[2]};
}

static void place_camera(struct room *room, struct gb_dice *dice) {
    double turn_cosine, turn_sine;
    room->eye.x = gb_roll(dice, -0.8, 0.8);
    room->eye.y = -gb_roll(dice, 1.0, 1.7);
    room->eye.z = gb_roll(dice, -0.8, 0.8);
    roll_turn(dice, 1, &turn_cosine, &turn_sine);
    const double tilt = gb_roll(dice, -0.02, 0.22), norm = 1 + tilt * tilt;
    const double tilt_cosine = (1 - tilt * tilt) / norm;
    const double tilt_sine = 2 * tilt / norm; // looking down
    const double right[3] = {turn_cosine, 0, -turn_sine};
    const double forward[3] = {turn_sine * tilt_cosine, tilt_sine, turn_cosine * tilt_cosine};
    const double down[3] = {-turn_sine * tilt_sine, tilt_cosine, -turn_cosine * tilt_sine};
    for (int axis = 0; axis < 3; axis++) {
        room->right[axis] = right[axis];
        room->forward[axis] = forward[axis];
        room->down[axis] = down[axis];
    }
}

static void add_box(struct room *room, struct gb_dice *dice) {
    struct box *box = &room->boxes[room->box_count++];
    box->middle = roll_place(dice, room);
    box->half.x = gb_roll(dice, 0.08, 0.5);
    box->half.y = gb_roll(dice, 0.1, 0.7);
    box->half.z = gb_roll(dice, 0.08, 0.5);
    box->middle.y = -box->half.y; // on the floor, if not in the air
    if (gb_chance(dice, 0.3))
        box->middle.y -= gb_roll(dice, 0.2, 1.0);
    roll_turn(dice, 1, &box->cosine, &box->sine);
}

static void add_ball(struct room *room, struct gb_dice *dice) {
    struct ball *ball = &room->balls[room->ball_count++];
    ball->radius = gb_roll(dice, 0.1, 0.4);
    ball->middle = roll_place(dice, room);
    ball->middle.y = -ball->radius - gb_smooth(gb_roll(dice, -0.6, 1.0)) * 1.2;
}

// Takes out what the camera would stand in: what is nearer than it could measure.
static void clear_view(struct room *room) {
    const double reach = 0.5;
    for (int i = 0; i < room->box_count;) {
        const struct vector d = minus(room->boxes[i].middle, room->eye), half = room->boxes[i].half;
        const double radius = sqrt(half.x * half.x + half.z * half.z) + reach;
        if (d.x * d.x + d.z * d.z < radius * radius)
            room->boxes[i] = room->boxes[--room->box_count];
        else
            i++;
    }
}

static void build_room(struct room *room, uint64_t seed, uint32_t index) {
    struct gb_dice dice = {.key = gb_synthetic_key(seed, STEP_ROOM, index)};
    *room = (struct room){.walls.cosine = 1};
    room->walls.half.x = gb_roll(&dice, 1.6, 2.8);
    room->walls.half.y = gb_roll(&dice, 1.2, 1.5);
    room->walls.half.z = gb_roll(&dice, 1.6, 2.8);
    room->walls.middle.y = -room->walls.half.y;
    place_camera(room, &dice);
    const int boxes = 1 + (int)gb_roll(&dice, 0, MOST_THINGS);
    for (int i = 0; i < boxes; i++)
        add_box(room, &dice);
    const int balls = 1 + (int)gb_roll(&dice, 0, MOST_THINGS - 2);
    for (int i = 0; i < balls; i++)
        add_ball(room, &dice);
    clear_view(room);
}

// ---- the sensor ----

struct sensor {
    struct room room;
    struct gb_value_noise field;
    struct gb_random_key noise, holes;
    int h, w;         // of the window
    double left, top; // its first pixel, in pixels from the image's middle
};

static struct vector pixel_sight(const struct sensor *sensor, double x, double y) {
    return sight(&sensor->room, sensor->left + x, sensor->top + y);
}

// True where the projector's light does not reach.
static bool in_shadow(const struct room *room, struct vector point) {
    const struct vector projector = {room->eye.x + BASELINE * room->right[0],
                                     room->eye.y + BASELINE * room->right[1],
                                     room->eye.z + BASELINE * room->right[2]};
    // What is met before nearly the whole way is gone hides the point.
    return look(room, projector, minus(point, projector)).t < 0.99;
}

// Depths that differ by more than a twentieth lie on different surfaces.
static bool at_edge(const struct sensor *sensor, const uint16_t *clean, int x, int y) {
    const int own = clean[y * sensor->w + x];
    for (int dy = -1; dy <= 1; dy++)
        for (int dx = -1; dx <= 1; dx++) {
            const int nx = x + dx, ny = y + dy;
            if (nx >= 0 && ny >= 0 && nx < sensor->w && ny < sensor->h &&
                abs(clean[ny * sensor->w + nx] - own) > own / 20)
                return true;
        }
    return false;
}

// Depth as measured at pixel (x, y), 0 for none.
static double measure(const struct sensor *sensor, const uint16_t *clean, int x, int y) {
    const struct room *room = &sensor->room;
    const uint32_t pixel = (uint32_t)(y * sensor->w + x);
    const double dx = gb_random_uniform(&sensor->noise, 4 * pixel) - 0.5f;
    const double dy = gb_random_uniform(&sensor->noise, 4 * pixel + 1) - 0.5f;
    const struct vector direction = pixel_sight(sensor, x + dx, y + dy);
    const struct hit hit = look(room, room->eye, direction);
    const double slant = fabs(dot(direction, hit.normal)) / sqrt(dot(direction, direction));
    const double dropout = at_edge(sensor, clean, x, y) ? 0.4 : 0.002;
    if (hit.t > FARTHEST || slant < 0.12 ||
        (double)gb_random_uniform(&sensor->holes, pixel) < dropout ||
        in_shadow(room, at(room->eye, direction, hit.t)))
        return 0;
    const double focal = 4 * FOCAL; // as disparity is found
    // Errors that neighbours share reach over about 3 pixels.
    const double shared = gb_value_noise_at(&sensor->field, x / 3.0, y / 3.0) - 0.5;
    double disparity = focal * BASELINE / hit.t + OFFSET + FIELD * shared +
                       NOISE * (double)gb_random_normal(&sensor->noise, 4 * pixel + 2);
    disparity = rint(disparity / STEP) * STEP;
    return disparity > 0 ? focal * BASELINE / disparity : 0;
}

// Anywhere in the image, or around its middle where it is larger.
static void place_window(struct sensor *sensor, uint64_t seed, uint32_t index) {
    struct gb_dice dice = {.key = gb_synthetic_key(seed, STEP_WINDOW, index)};
    const double across = fmax(0, ACROSS - sensor->w), down = fmax(0, DOWN - sensor->h);
    sensor->left = gb_roll(&dice, -0.5, 0.5) * across - 0.5 * sensor->w;
    sensor->top = gb_roll(&dice, -0.5, 0.5) * down - 0.5 * sensor->h;
}

static void draw(uint64_t seed, uint32_t index, int h, int w, uint16_t *raw, uint16_t *clean) {
    const struct gb_random_key field = gb_synthetic_key(seed, STEP_FIELD, index);
    struct sensor sensor = {.noise = gb_synthetic_key(seed, STEP_NOISE, index),
                            .holes = gb_synthetic_key(seed, STEP_HOLES, index),
                            .h = h,
                            .w = w};
    build_room(&sensor.room, seed, index);
    place_window(&sensor, seed, index);
    gb_value_noise_create(&sensor.field, &field);
    const struct room *room = &sensor.room;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const struct hit hit = look(room, room->eye, pixel_sight(&sensor, x, y));
            clean[y * w + x] = (uint16_t)rint(hit.t * GB_DEPTH_CLEAN_LEVELS);
        }
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            raw[y * w + x] = (uint16_t)rint(measure(&sensor, clean, x, y) * GB_DEPTH_RAW_LEVELS);
}

struct drawing {
    uint64_t seed;
    uint32_t first;
    const struct gb_depth_maps *maps;
};

static void draw_job(void *argument, int index, int rank) {
    (void)rank;
    const struct drawing *drawing = argument;
    const struct gb_depth_maps *maps = drawing->maps;
    const size_t first = (size_t)index * (size_t)maps->h * (size_t)maps->w;
    draw(drawing->seed, drawing->first + (uint32_t)index, maps->h, maps->w, maps->raw + first,
         maps->clean + first);
}

enum gb_status gb_synthetic_depth_maps(uint64_t seed, uint32_t first, int count, int h, int w,
                                       int threads, struct gb_depth_maps *maps) {
    GB_TRY(gb_depth_maps_create(maps, count, h, w));
    struct drawing drawing = {seed, first, maps};
    gb_parallel_jobs(threads, count, draw_job, &drawing);
    enum gb_status status = GB_OK;
    for (int i = 0; i < count && status == GB_OK; i++) {
        char name[32];
        snprintf(name, sizeof name, "depth%07u", first + (unsigned)i);
        status = gb_depth_maps_name(maps, i, name);
    }
    if (status != GB_OK)
        gb_depth_maps_free(maps);
    return status;
}
