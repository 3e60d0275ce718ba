// SPDX-License-Identifier: MIT
// Volumes fused from views of planes and spheres, whose depth is known exactly.
#include <math.h>
#include <string.h>

#include "kernels/random/random.h"
#include "tasks/data/tsdf.h"
#include "tests/support/test.h"

enum { W = 96, H = 72, PIXELS = W * H };

static const struct gb_camera camera = {.w = W, .h = H, .fx = 88, .fy = 88, .cx = 48, .cy = 36};
static const struct gb_tsdf_options options = {.voxel = 0.01,
                                               .truncation = 0.04,
                                               .nearest = 0.4,
                                               .farthest = 3.0,
                                               .min_weight = 0.1,
                                               .max_bytes = (size_t)256 << 20};

// A camera at (x, y, z) turned about the vertical by the angle of this slope.
static struct gb_pose pose_at(double x, double y, double z, double slope) {
    const double cosine = 1 / sqrt(1 + slope * slope), sine = slope * cosine;
    return (struct gb_pose){{{cosine, 0, sine}, {0, 1, 0}, {-sine, 0, cosine}}, {x, y, z}};
}

// The world: depth along the ray that starts at `from` and gains one metre of depth a metre, 0 for
// nothing.
typedef double (*world)(const double from[3], const double direction[3]);

static double wall(const double from[3], const double direction[3]) {
    return direction[2] > 0 ? (2.0 - from[2]) / direction[2] : 0;
}

static const double ball_middle[3] = {0.05, -0.02, 1.5}, ball_radius = 0.4;
static double ball(const double from[3], const double direction[3]) {
    double a = 0, b = 0, c = -ball_radius * ball_radius;
    for (int axis = 0; axis < 3; axis++) {
        const double offset = from[axis] - ball_middle[axis];
        a += direction[axis] * direction[axis];
        b += direction[axis] * offset;
        c += offset * offset;
    }
    return b * b > a * c ? (-b - sqrt(b * b - a * c)) / a : 0;
}

static double ball_before_wall(const double from[3], const double direction[3]) {
    const double near = ball(from, direction);
    return near > 0 ? near : wall(from, direction);
}

static void see(world look, const struct gb_camera *lens, const struct gb_pose *pose,
                double *depth) {
    for (int v = 0; v < lens->h; v++)
        for (int u = 0; u < lens->w; u++) {
            const double x = (u - lens->cx) / lens->fx, y = (v - lens->cy) / lens->fy;
            double direction[3];
            for (int axis = 0; axis < 3; axis++)
                direction[axis] = pose->rotation[axis][0] * x + pose->rotation[axis][1] * y +
                                  pose->rotation[axis][2];
            depth[v * lens->w + u] = look(pose->position, direction);
        }
}

// What a sensor gives: mm, with normal noise of this deviation in mm.
static void measure(world look, const struct gb_pose *pose, double noise, uint32_t view,
                    uint16_t depth[static PIXELS]) {
    static double exact[PIXELS];
    const struct gb_random_key key = {.seed = 1, .purpose = GB_RANDOM_TEST, .sample = view};
    see(look, &camera, pose, exact);
    for (int i = 0; i < PIXELS; i++) {
        const double mm = 1000 * exact[i] + noise * (double)gb_random_normal(&key, (uint32_t)i);
        depth[i] = exact[i] > 0 ? (uint16_t)rint(mm) : 0;
    }
}

static void get_poses(int count, struct gb_pose *poses) {
    for (int i = 0; i < count; i++) {
        const double t = count > 1 ? (double)i / (count - 1) - 0.5 : 0;
        poses[i] = pose_at(0.4 * t, 0.1 * t, 0.2 * t * t, -0.2 * t);
    }
}

enum { MOST_VIEWS = 40 };

static struct gb_tsdf *fuse(world look, int views, double noise, int threads,
                            struct gb_pose poses[static MOST_VIEWS]) {
    struct gb_tsdf *volume;
    uint16_t depth[PIXELS];
    get_poses(views, poses);
    assert_ok(gb_tsdf_create(&options, poses, views, "test", &volume));
    for (int i = 0; i < views; i++) {
        measure(look, &poses[i], noise, (uint32_t)i, depth);
        assert_ok(gb_tsdf_fuse(volume, &camera, &poses[i], depth, threads));
    }
    return volume;
}

struct difference {
    int compared, missing;
    double worst, rms, mean;
};

// Of what is rendered from the truth, where there is something to see; two pixels at the image's
// border may be missing.
static struct difference compare(const struct gb_tsdf *volume, world look,
                                 const struct gb_pose *pose) {
    static double exact[PIXELS];
    static float rendered[PIXELS];
    struct difference d = {0};
    see(look, &camera, pose, exact);
    assert_ok(gb_tsdf_render(volume, &camera, pose, rendered));
    for (int v = 2; v < H - 2; v++)
        for (int u = 2; u < W - 2; u++) {
            const int i = v * W + u;
            d.missing += exact[i] > 0 && rendered[i] == 0;
            if (exact[i] == 0 || rendered[i] == 0)
                continue;
            const double apart = (double)rendered[i] - exact[i];
            d.worst = fmax(d.worst, fabs(apart));
            d.rms += apart * apart;
            d.mean += apart;
            d.compared++;
        }
    d.rms = sqrt(d.rms / d.compared);
    d.mean /= d.compared;
    return d;
}

// Half a millimetre is what the levels of the input leave open; trilinear interpolation is exact on
// planes.
GB_TEST(renders_a_wall) {
    struct gb_pose poses[MOST_VIEWS];
    struct gb_tsdf *volume = fuse(wall, 5, 0, 1, poses);
    for (int i = 0; i < 5; i++) {
        const struct difference d = compare(volume, wall, &poses[i]);
        assert_int_equal(d.missing, 0);
        assert_true(d.worst < 0.002);
        assert_true(d.rms < 0.0005);
    }
    // Also from where nobody stood.
    const struct gb_pose between = pose_at(0.05, 0.01, 0.01, -0.02);
    const struct difference d = compare(volume, wall, &between);
    assert_int_equal(d.missing, 0);
    assert_true(d.worst < 0.002);
    gb_tsdf_free(volume);
}

GB_TEST(renders_a_ball) {
    struct gb_pose poses[MOST_VIEWS];
    struct gb_tsdf *volume = fuse(ball, 9, 0, 1, poses);
    const struct difference d = compare(volume, ball, &poses[4]);
    assert_true(d.missing < d.compared / 15); // its rim
    assert_true(d.rms < 0.004);
    assert_true(fabs(d.mean) < 0.002);
    gb_tsdf_free(volume);
}

// Rays that pass the ball leave the space, on whichever side of it.
GB_TEST(sees_past_a_ball_from_all_sides) {
    static const double turns[][4] = {
        {1, 0, 0, 0}, {-1, 0, 0, 3}, {0, 1, -1.5, 1.5}, {0, -1, 1.5, 1.5}};
    for (int i = 0; i < 4; i++) {
        const double cosine = turns[i][0], sine = turns[i][1];
        const struct gb_pose pose = {{{cosine, 0, sine}, {0, 1, 0}, {-sine, 0, cosine}},
                                     {turns[i][2], 0, turns[i][3]}};
        struct gb_tsdf *volume;
        uint16_t depth[PIXELS];
        measure(ball, &pose, 0, 0, depth);
        assert_ok(gb_tsdf_create(&options, &pose, 1, "test", &volume));
        assert_ok(gb_tsdf_fuse(volume, &camera, &pose, depth, 1));
        const struct difference d = compare(volume, ball, &pose);
        assert_true(d.compared > PIXELS / 10);
        assert_true(d.rms < 0.005);
        gb_tsdf_free(volume);
    }
}

GB_TEST(keeps_what_is_in_front) {
    struct gb_pose poses[MOST_VIEWS];
    static double exact[PIXELS], front[PIXELS];
    static float rendered[PIXELS];
    struct gb_tsdf *volume = fuse(ball_before_wall, 9, 0, 1, poses);
    see(ball_before_wall, &camera, &poses[4], exact);
    see(ball, &camera, &poses[4], front);
    assert_ok(gb_tsdf_render(volume, &camera, &poses[4], rendered));
    int wrong = 0;
    for (int i = 0; i < PIXELS; i++)
        wrong += rendered[i] > 0 && fabs((double)rendered[i] - exact[i]) > 0.03;
    assert_true(wrong < PIXELS / 50); // along the rim
    const int middle = (H / 2) * W + W / 2;
    assert_true(front[middle] > 0);
    assert_float_equal(rendered[middle], front[middle], 0.003);
    gb_tsdf_free(volume);
}

// The error of many views' mean is far below that of one.
GB_TEST(averages_noise_away) {
    struct gb_pose poses[MOST_VIEWS];
    struct gb_tsdf *few = fuse(wall, 1, 10, 1, poses);
    const struct difference before = compare(few, wall, &poses[0]);
    struct gb_tsdf *many = fuse(wall, MOST_VIEWS, 10, 1, poses);
    const struct difference after = compare(many, wall, &poses[MOST_VIEWS / 2]);
    assert_int_equal(after.missing, 0);
    assert_true(before.rms > 0.005);
    assert_true(after.rms < 0.003);
    assert_true(fabs(after.mean) < 0.001);
    gb_tsdf_free(few);
    gb_tsdf_free(many);
}

GB_TEST(gives_the_same_bits_with_any_number_of_threads) {
    struct gb_pose poses[MOST_VIEWS];
    static float one[PIXELS], three[PIXELS];
    struct gb_tsdf *alone = fuse(ball_before_wall, 4, 5, 1, poses);
    struct gb_tsdf *shared = fuse(ball_before_wall, 4, 5, 3, poses);
    assert_ok(gb_tsdf_render(alone, &camera, &poses[1], one));
    assert_ok(gb_tsdf_render(shared, &camera, &poses[1], three));
    assert_memory_equal(one, three, sizeof one);
    assert_true(gb_tsdf_bytes(alone) == gb_tsdf_bytes(shared));
    gb_tsdf_free(alone);
    gb_tsdf_free(shared);
}

// A window of the camera, which is a camera, sees what the whole one sees there.
GB_TEST(renders_a_window) {
    enum { LEFT = 20, TOP = 10, WIDE = 32, HIGH = 24 };
    struct gb_pose poses[MOST_VIEWS];
    static float whole[PIXELS], part[WIDE * HIGH];
    struct gb_tsdf *volume = fuse(ball_before_wall, 3, 0, 1, poses);
    struct gb_camera window = camera;
    window.w = WIDE, window.h = HIGH;
    window.cx -= LEFT, window.cy -= TOP;
    assert_ok(gb_tsdf_render(volume, &camera, &poses[1], whole));
    assert_ok(gb_tsdf_render(volume, &window, &poses[1], part));
    // Rays start elsewhere, and so are looked at elsewhere.
    for (int v = 0; v < HIGH; v++)
        for (int u = 0; u < WIDE; u++)
            assert_float_equal(part[v * WIDE + u], whole[(TOP + v) * W + LEFT + u], 0.002);
    gb_tsdf_free(volume);
}

GB_TEST(leaves_out_what_is_not_measured) {
    struct gb_pose pose = pose_at(0, 0, 0, 0);
    struct gb_tsdf *volume;
    uint16_t depth[PIXELS];
    float rendered[PIXELS];
    for (int i = 0; i < PIXELS; i++)
        depth[i] = i % 4 == 0 ? 0 : i % 4 == 1 ? 65535 : i % 4 == 2 ? 200 : 3500;
    assert_ok(gb_tsdf_create(&options, &pose, 1, "test", &volume));
    const size_t empty = gb_tsdf_bytes(volume);
    assert_ok(gb_tsdf_fuse(volume, &camera, &pose, depth, 1));
    assert_true(gb_tsdf_bytes(volume) == empty);
    assert_ok(gb_tsdf_render(volume, &camera, &pose, rendered));
    for (int i = 0; i < PIXELS; i++)
        assert_true(rendered[i] == 0);
    gb_tsdf_free(volume);
}

GB_TEST(refuses_what_does_not_fit) {
    struct gb_pose far[] = {pose_at(0, 0, 0, 0), pose_at(9000, 5000, 3000, 0)};
    struct gb_tsdf *volume;
    assert_int_equal(gb_tsdf_create(&options, far, 2, "kitchen", &volume), GB_BAD_INPUT);
    assert_null(volume);
    assert_non_null(strstr(gb_error_message(), "kitchen"));
    struct gb_tsdf_options small = options;
    small.max_bytes = 4 << 20;
    uint16_t depth[PIXELS];
    measure(wall, &far[0], 0, 0, depth);
    assert_ok(gb_tsdf_create(&small, far, 1, "kitchen", &volume));
    assert_error(gb_tsdf_fuse(volume, &camera, &far[0], depth, 1), GB_BAD_INPUT, "kitchen");
    gb_tsdf_free(volume);
}
