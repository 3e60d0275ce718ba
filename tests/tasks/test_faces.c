// SPDX-License-Identifier: MIT
#include <string.h>

#include "kernels/tensor.h"
#include "tasks/metrics/harmonic_fill.h"
#include "tasks/metrics/metrics.h"
#include "tasks/metrics/psnr.h"
#include "tasks/synthetic/faces.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"

enum { N = 60, S = 32 };
static float images[N][S * S * 3], parts[N][S * S];

static void draw(uint32_t first, enum gb_face_framing framing) {
    for (int i = 0; i < N; i++)
        gb_synthetic_face(1, first + (uint32_t)i, framing, S, images[i], parts[i]);
}

// A checkpoint's scores mean something only on the data that it was trained for, so a change of
// these bits is a change of the data set.
GB_TEST(generates_the_same_bits_everywhere) {
    gb_synthetic_face(1, 5, GB_FACE_ANYWHERE, S, images[0], parts[0]);
    assert_int_equal(gb_fixture_hash(images[0], sizeof images[0]), UINT64_C(0x3d70a4c656e61708));
    assert_int_equal(gb_fixture_hash(parts[0], sizeof parts[0]), UINT64_C(0x97d3b4c20fadafd5));
    gb_synthetic_face(1, 5, GB_FACE_ALIGNED, S, images[0], NULL);
    assert_int_equal(gb_fixture_hash(images[0], sizeof images[0]), UINT64_C(0xa30ba89d22830911));
}

GB_TEST(generates_the_same_face_at_every_size) {
    static float image[4 * S * S * 3], fine[4 * S * S];
    draw(0, GB_FACE_ANYWHERE);
    for (int i = 0; i < N; i++) {
        gb_synthetic_face(1, (uint32_t)i, GB_FACE_ANYWHERE, 2 * S, image, fine);
        int pixels[GB_FACE_PARTS] = {0}, apart = 0;
        for (int p = 0; p < S * S; p++) {
            assert_in_range(parts[i][p], 0, GB_FACE_PARTS - 1);
            pixels[(int)parts[i][p]]++;
            apart += parts[i][p] != fine[p / S * 2 * (2 * S) + p % S * 2];
            for (int c = 0; c < 3; c++)
                assert_in_range(255.0f * images[i][3 * p + c], 0, 255);
        }
        assert_true(pixels[GB_PART_FACE] > 40);
        assert_true(pixels[GB_PART_BACKGROUND] > 100);
        assert_true(apart < S * S / 6); // boundaries only
    }
}

// The class that each of 8 x 8 x 8 colours most often has in other pictures.
static void by_colour(float prediction[N][S * S]) {
    enum { LEVELS = 8 };
    static int votes[LEVELS * LEVELS * LEVELS][GB_FACE_PARTS];
    memset(votes, 0, sizeof votes);
    for (int pass = 0; pass < 2; pass++) {
        draw(pass ? 0 : 1000, GB_FACE_ANYWHERE);
        for (int i = 0; i < N; i++)
            for (int p = 0; p < S * S; p++) {
                int colour = 0;
                for (int c = 0; c < 3; c++)
                    colour = colour * LEVELS + (int)(images[i][3 * p + c] * (LEVELS - 0.01f));
                if (!pass)
                    votes[colour][(int)parts[i][p]]++;
                int most = GB_PART_BACKGROUND;
                for (int part = 0; part < GB_FACE_PARTS; part++)
                    most = votes[colour][part] > votes[colour][most] ? part : most;
                prediction[i][p] = (float)most;
            }
    }
}

// Neither place nor colour alone finds the parts: mean IoU 0.43 and 0.23 measured.
GB_TEST(generates_parts_worth_learning) {
    static float prediction[N][S * S], map[S * S];
    const struct gb_tensor truth = gb_dense(parts[0], N, S, S, 1);
    by_colour(prediction);
    const struct gb_tensor coloured = gb_dense(prediction[0], N, S, S, 1);
    struct gb_confusion counts = gb_confusion_of(&truth, &coloured, 0, N, GB_FACE_PARTS);
    assert_true(gb_mean_iou(&counts) < 0.5);
    gb_most_frequent(&truth, GB_FACE_PARTS, map);
    const struct gb_tensor placed = gb_same_map(map, N, S, S);
    counts = gb_confusion_of(&truth, &placed, 0, N, GB_FACE_PARTS);
    assert_true(gb_mean_iou(&counts) < 0.5);
}

// What a block in the middle of an aligned face hides does not follow from its border: 18.7 dB
// measured.
GB_TEST(generates_faces_that_borders_do_not_reveal) {
    draw(0, GB_FACE_ALIGNED);
    static float filled[N][S * S * 3];
    memcpy(filled, images, sizeof filled);
    const struct gb_tensor whole = gb_dense(images[0], N, S, S, 3),
                           holed = gb_dense(filled[0], N, S, S, 3);
    struct gb_tensor blocks = holed;
    blocks.data = gb_at(&holed, 0, S / 4, S / 4);
    blocks.h = blocks.w = S / 2;
    gb_harmonic_fill(&holed, S / 4, S / 4, &blocks);
    double sum = 0.0;
    for (int i = 0; i < N; i++) {
        struct gb_tensor is = gb_dense(gb_at(&whole, i, S / 4, S / 4), 1, S / 2, S / 2, 3);
        struct gb_tensor said = gb_dense(gb_at(&holed, i, S / 4, S / 4), 1, S / 2, S / 2, 3);
        is.row = said.row = whole.row;
        sum += gb_psnr(&is, &said, NULL, 1.0);
    }
    assert_true(sum / N < 20.0);
}
