// SPDX-License-Identifier: MIT
#include "kernels/backend.h"

void gb_squeeze_f32__scalar(const struct gb_exec *exec, const struct gb_tensor *wide,
                            const struct gb_tensor *deep) {
    (void)exec;
    assert(wide->n == deep->n && wide->h == 2 * deep->h && wide->w == 2 * deep->w);
    assert(deep->c == 4 * wide->c);
    for (int n = 0; n < wide->n; n++)
        for (int i = 0; i < wide->h; i++)
            for (int j = 0; j < wide->w; j++)
                for (int c = 0; c < wide->c; c++)
                    gb_at(deep, n, i / 2, j / 2)[c * 4 + i % 2 * 2 + j % 2] =
                        gb_at(wide, n, i, j)[c];
}

void gb_unsqueeze_f32__scalar(const struct gb_exec *exec, const struct gb_tensor *deep,
                              const struct gb_tensor *wide) {
    (void)exec;
    assert(wide->n == deep->n && wide->h == 2 * deep->h && wide->w == 2 * deep->w);
    assert(deep->c == 4 * wide->c);
    for (int n = 0; n < wide->n; n++)
        for (int i = 0; i < wide->h; i++)
            for (int j = 0; j < wide->w; j++)
                for (int c = 0; c < wide->c; c++)
                    gb_at(wide, n, i, j)[c] =
                        gb_at(deep, n, i / 2, j / 2)[c * 4 + i % 2 * 2 + j % 2];
}
