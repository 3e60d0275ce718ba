// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/rows.h"

// A deep pixel is the transpose of its four wide pixels, 4 x 4 for every four channels, which
// 128-bit vectors do with any instruction set.
typedef float quad __attribute__((vector_size(16)));

GB_INLINE quad load_quad(const float *p) {
    quad q;
    memcpy(&q, p, sizeof q);
    return q;
}
GB_INLINE void store_quad(float *p, quad q) {
    memcpy(p, &q, sizeof q);
}

// The first 1 to 3 floats. With constant sizes memcpy is inlined.
GB_INLINE void store_part(float *p, quad q, int count) {
    if (count == 3)
        memcpy(p, &q, 3 * sizeof *p);
    else if (count == 2)
        memcpy(p, &q, 2 * sizeof *p);
    else
        memcpy(p, &q, sizeof *p);
}

GB_INLINE void transpose(quad q[4]) {
    quad low01 = __builtin_shufflevector(q[0], q[1], 0, 4, 1, 5);
    quad high01 = __builtin_shufflevector(q[0], q[1], 2, 6, 3, 7);
    quad low23 = __builtin_shufflevector(q[2], q[3], 0, 4, 1, 5);
    quad high23 = __builtin_shufflevector(q[2], q[3], 2, 6, 3, 7);
    q[0] = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
    q[1] = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
    q[2] = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
    q[3] = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
}

struct views {
    const struct gb_tensor *wide, *deep;
};

// The four wide pixels of deep pixel (i, j), in the order of the deep channels.
GB_INLINE void wide_pixels(const struct gb_tensor *wide, int n, int i, int j, float *pixel[4]) {
    for (int q = 0; q < 4; q++)
        pixel[q] = gb_at(wide, n, 2 * i + q / 2, 2 * j + q % 2);
}

static void squeeze_row(const void *argument, int n, int i) {
    const struct views *k = argument;
    const int channels = k->wide->c;
    for (int j = 0; j < k->deep->w; j++) {
        float *wide[4], *deep = gb_at(k->deep, n, i, j);
        wide_pixels(k->wide, n, i, j, wide);
        int c = 0;
        for (; c + 4 <= channels; c += 4) {
            quad q[4];
            for (int r = 0; r < 4; r++)
                q[r] = load_quad(wide[r] + c);
            transpose(q);
            for (int r = 0; r < 4; r++)
                store_quad(deep + 4 * (c + r), q[r]);
        }
        for (; c < channels; c++)
            store_quad(deep + 4 * c, (quad){wide[0][c], wide[1][c], wide[2][c], wide[3][c]});
    }
}

void GB_NAME(gb_squeeze)(const struct gb_exec *exec, const struct gb_tensor *wide,
                         const struct gb_tensor *deep) {
    assert(wide->n == deep->n && wide->h == 2 * deep->h && wide->w == 2 * deep->w);
    assert(deep->c == 4 * wide->c);
    struct views views = {wide, deep};
    gb_for_rows(exec, deep, 1, squeeze_row, &views);
}

static void unsqueeze_row(const void *argument, int n, int i) {
    const struct views *k = argument;
    const int channels = k->wide->c;
    for (int j = 0; j < k->deep->w; j++) {
        float *wide[4];
        const float *deep = gb_at(k->deep, n, i, j);
        wide_pixels(k->wide, n, i, j, wide);
        int c = 0;
        for (; c + 4 <= channels; c += 4) {
            quad q[4];
            for (int r = 0; r < 4; r++)
                q[r] = load_quad(deep + 4 * (c + r));
            transpose(q);
            for (int r = 0; r < 4; r++)
                store_quad(wide[r] + c, q[r]);
        }
        if (c == channels)
            continue;
        quad q[4] = {{0}};
        for (int r = 0; r < channels - c; r++)
            q[r] = load_quad(deep + 4 * (c + r));
        transpose(q);
        for (int r = 0; r < 4; r++)
            store_part(wide[r] + c, q[r], channels - c);
    }
}

void GB_NAME(gb_unsqueeze)(const struct gb_exec *exec, const struct gb_tensor *deep,
                           const struct gb_tensor *wide) {
    assert(wide->n == deep->n && wide->h == 2 * deep->h && wide->w == 2 * deep->w);
    assert(deep->c == 4 * wide->c);
    struct views views = {wide, deep};
    gb_for_rows(exec, deep, 1, unsqueeze_row, &views);
}
