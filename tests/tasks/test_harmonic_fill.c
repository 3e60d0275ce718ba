// SPDX-License-Identifier: MIT
#include <math.h>
#include <string.h>

#include "tasks/metrics/harmonic_fill.h"
#include "tests/support/test.h"

enum { N = 2, H = 40, W = 70, C = 3 };
static float pixels[N * H * W * C];

// Harmonic on the grid as well: each value is the mean of its neighbours.
static float plane(int n, int y, int x, int c) {
    return 0.1f + 0.01f * (float)x - 0.02f * (float)(n + 1) * (float)y + 0.3f * (float)c;
}
static float saddle(int n, int y, int x, int c) {
    return 0.001f * (float)(c + 1) * (float)(x * x - y * y) + (float)n;
}

// The block of every image, in place.
static struct gb_tensor block_of(const struct gb_tensor *images, int top, int left, int h, int w) {
    struct gb_tensor block = *images;
    block.data = gb_at(images, 0, top, left);
    block.h = h, block.w = w;
    return block;
}

static void continues(float (*function)(int, int, int, int), int top, int left, int h, int w) {
    const struct gb_tensor images = gb_dense(pixels, N, H, W, C);
    GB_EACH_ELEMENT(&images, at) {
        const int y = at[1], x = at[2];
        const bool inside = y >= top && y < top + h && x >= left && x < left + w;
        *gb_element(&images, at) = inside ? NAN : function(at[0], y, x, at[3]);
    }
    const struct gb_tensor block = block_of(&images, top, left, h, w);
    gb_harmonic_fill(&images, top, left, &block);
    GB_EACH_ELEMENT(&images, at)
        assert_float_equal(*gb_element(&images, at), function(at[0], at[1], at[2], at[3]),
                           10 * GB_HARMONIC_TOLERANCE);
}

GB_TEST(continues_harmonic_functions) {
    continues(plane, 4, 20, 32, 32);
    continues(saddle, 4, 20, 32, 32);
    continues(saddle, 1, 1, 1, 1);
    continues(plane, 3, 1, 5, 68);
    continues(saddle, 38, 5, 1, 60);
}

// Inside and outside of the block lie in one view with room between pixels.
GB_TEST(leaves_other_channels_alone) {
    const struct gb_tensor wide = gb_dense(pixels, 1, 10, 10, C);
    for (int i = 0; i < 10 * 10 * C; i++)
        pixels[i] = (float)(i % 7);
    float before[10 * 10 * C];
    memcpy(before, pixels, sizeof before);
    const struct gb_tensor middle = gb_channels(&wide, 1, 1);
    const struct gb_tensor block = block_of(&middle, 2, 3, 4, 5);
    gb_harmonic_fill(&middle, 2, 3, &block);
    GB_EACH_ELEMENT(&wide, at) {
        const int y = at[1], x = at[2], c = at[3];
        const bool filled = c == 1 && y >= 2 && y < 6 && x >= 3 && x < 8;
        const float now = *gb_element(&wide, at), then = before[(y * 10 + x) * C + c];
        assert_true(filled ? now > 0.0f && now < 6.0f : now == then);
    }
}

// A block of its own gets the values that one in place gets, and the images stand.
GB_TEST(fills_a_block_next_to_the_images) {
    enum { TOP = 4, LEFT = 20, SIDE = 9 };
    static float before[N * H * W * C], apart[N * SIDE * SIDE * C];
    for (int i = 0; i < N * H * W * C; i++)
        pixels[i] = before[i] = (float)(i * 7 % 31) / 31.0f;
    const struct gb_tensor images = gb_dense(pixels, N, H, W, C);
    const struct gb_tensor own = gb_dense(apart, N, SIDE, SIDE, C);
    gb_harmonic_fill(&images, TOP, LEFT, &own);
    assert_memory_equal(pixels, before, sizeof before);
    const struct gb_tensor placed = block_of(&images, TOP, LEFT, SIDE, SIDE);
    gb_harmonic_fill(&images, TOP, LEFT, &placed);
    for (int n = 0; n < N; n++)
        for (int y = 0; y < SIDE; y++)
            assert_memory_equal(gb_at(&placed, n, y, 0), gb_at(&own, n, y, 0),
                                SIDE * C * sizeof(float));
}
