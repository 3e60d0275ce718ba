// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/kernels/check.h"

static void check_shape(const struct gb_check_shape *s, enum gb_check_layout layout) {
    const int n = s->n, h = s->h, w = s->w, c = s->c;
    struct gb_tensor wide = gb_check_view("wide", n, 2 * h, 2 * w, c, layout);
    struct gb_tensor want = gb_check_view("want", n, h, w, 4 * c, GB_CHECK_DENSE);
    gb_check_fill(&wide, GB_CHECK_PATHOLOGICAL, 1);
    for (int image = 0; image < n; image++)
        for (int i = 0; i < h; i++)
            for (int j = 0; j < w; j++)
                for (int k = 0; k < c; k++)
                    for (int dy = 0; dy < 2; dy++)
                        for (int dx = 0; dx < 2; dx++)
                            gb_at(&want, image, i, j)[k * 4 + dy * 2 + dx] =
                                gb_at(&wide, image, 2 * i + dy, 2 * j + dx)[k];
    GB_CHECK_EACH_BACKEND(backend)
        for (int threads = 1; threads <= GB_CHECK_MAX_THREADS; threads++) {
            const struct gb_exec exec = {.threads = threads};
            struct gb_tensor deep = gb_check_view("deep", n, h, w, 4 * c, layout);
            struct gb_tensor back = gb_check_view("back", n, 2 * h, 2 * w, c, layout);
            backend->squeeze(&exec, &wide, &deep);
            assert_true(gb_check_same_bits("squeeze", &want, &deep));
            backend->unsqueeze(&exec, &deep, &back);
            assert_true(gb_check_same_bits("unsqueeze", &wide, &back));
        }
    assert_true(gb_check_guards());
    gb_check_free();
}

static void moves_every_element_to_its_place(void **state) {
    (void)state;
    for (int s = 0; s < GB_CHECK_SHAPES; s++)
        for (int layout = 0; layout < GB_CHECK_LAYOUTS; layout++)
            check_shape(&gb_check_shapes[s], layout);
}

int main(void) {
    gb_flush_denormals();
    const struct CMUnitTest tests[] = {cmocka_unit_test(moves_every_element_to_its_place)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
