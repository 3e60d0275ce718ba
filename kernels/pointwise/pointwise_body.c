// SPDX-License-Identifier: MIT
#include "kernels/backend.h"
#include "kernels/simd/math.h"

struct add {
    const struct gb_tensor *x, *y;
};

static void add_share(void *argument, int rank, int size) {
    const struct add *add = argument;
    const struct gb_tensor *x = add->x, *y = add->y;
    struct gb_share rows = gb_share_of((size_t)y->n * (size_t)y->h, rank, size);
    for (size_t r = rows.begin; r < rows.end; r++) {
        int n = (int)(r / (size_t)y->h), i = (int)(r % (size_t)y->h);
        for (int j = 0; j < y->w; j++) {
            const float *from = gb_at(x, n, i, j);
            float *to = gb_at(y, n, i, j);
            int c = 0;
            for (; c + GB_LANES <= y->c; c += GB_LANES)
                gb_v_store(to + c, gb_v_load(to + c) + gb_v_load(from + c));
            gb_v_store_part(to + c,
                            gb_v_load_part(to + c, y->c - c) + gb_v_load_part(from + c, y->c - c),
                            y->c - c);
        }
    }
}

void GB_NAME(gb_add_f32)(const struct gb_exec *exec, const struct gb_tensor *x,
                         const struct gb_tensor *y) {
    // Below this many elements a second thread costs more to start than it saves.
    enum { WORTH_A_TEAM = 1 << 16 };
    struct add add = {x, y};
    gb_parallel(gb_elements(y) < WORTH_A_TEAM ? 1 : exec->threads, add_share, &add);
}

void GB_NAME(gb_exp_f32)(const struct gb_exec *exec, size_t count, float factor, const float *in,
                         float *out) {
    (void)exec; // called on a layer's channels: never worth a second thread
    size_t i = 0;
    for (; i + GB_LANES <= count; i += GB_LANES)
        gb_v_store(out + i, gb_v_exp(gb_v_set(factor) * gb_v_load(in + i)));
    int rest = (int)(count - i);
    gb_v_store_part(out + i, gb_v_exp(gb_v_set(factor) * gb_v_load_part(in + i, rest)), rest);
}
