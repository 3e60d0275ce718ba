// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdlib.h>

#include "base/minmax.h"
#include "tests/kernels/check.h"
#include "tests/support/test.h"

// The known answers that Salmon et al. publish with Random123 for philox4x32-10.
GB_TEST(philox_gives_the_published_words) {
    static const struct {
        uint32_t counter[4], key[2], words[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        const uint32_t *c = known[i].counter;
        struct gb_random_key key = {.seed = (uint64_t)known[i].key[1] << 32 | known[i].key[0],
                                    .sample = c[1],
                                    .step = c[2],
                                    .purpose = c[3]};
        uint32_t words[4];
        gb_philox(&key, c[0], words);
        assert_memory_equal(words, known[i].words, sizeof words);
    }
}

static struct gb_random_key test_key(void) {
    return (struct gb_random_key){
        .seed = gb_check_seed(), .purpose = GB_RANDOM_TEST, .step = 7, .sample = 3};
}

static const uint32_t firsts[] = {0, 1, 2, 3, 4, 63, 64, 4294901760u, 4294967290u};
static const size_t counts[] = {0, 1, 3, 4, 5, 31, 32, 33, 63, 64, 65, 257, 40001};
enum { FIRSTS = 9, COUNTS = 13 };

// Any stretch of the stream, on any backend and number of threads, is made of the same numbers.
GB_TEST(fills_equal_the_scalar_functions) {
    const struct gb_random_key key = test_key();
    const float low = -0.25f, high = 0.5f, deviation = 0.05f;
    for (int f = 0; f < FIRSTS; f++)
        for (int c = 0; c < COUNTS; c++) {
            const size_t count = counts[c];
            float *uniform = gb_check_floats("uniform", count, GB_CHECK_DENSE);
            float *normal = gb_check_floats("normal", count, GB_CHECK_DENSE);
            for (size_t i = 0; i < count; i++) {
                uint32_t element = firsts[f] + (uint32_t)i;
                uniform[i] = fmaf(gb_random_uniform(&key, element), high - low, low);
                normal[i] = gb_random_normal(&key, element) * deviation;
            }
            GB_CHECK_EACH_BACKEND(backend)
                for (int threads = 1; threads <= GB_CHECK_MAX_THREADS; threads++) {
                    struct gb_exec exec = {.threads = threads};
                    float *out = gb_check_floats("out", count, GB_CHECK_FLUSH);
                    backend->random_uniform(&exec, &key, firsts[f], count, low, high, out);
                    assert_true(gb_check_same_floats("uniform", count, uniform, out));
                    backend->random_normal(&exec, &key, firsts[f], count, deviation, out);
                    assert_true(gb_check_same_floats("normal", count, normal, out));
                }
            assert_true(gb_check_guards());
            gb_check_free();
        }
}

// Keys that differ in one word give unrelated numbers.
GB_TEST(every_word_of_the_key_counts) {
    const struct gb_random_key key = test_key();
    struct gb_random_key others[5] = {key, key, key, key, key};
    others[0].seed ^= 1;
    others[1].seed ^= (uint64_t)1 << 32;
    others[2].purpose ^= 1;
    others[3].step ^= 1;
    others[4].sample ^= 1;
    for (int k = 0; k < 5; k++) {
        int equal = 0;
        for (uint32_t i = 0; i < 1000; i++)
            equal += gb_random_uniform(&key, i) == gb_random_uniform(&others[k], i);
        assert_true(equal <= 1);
    }
}

enum { SAMPLES = 1 << 20 };

static int ascending(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

// The largest distance between the sample's distribution and `cumulative` (Kolmogorov and Smirnov);
// sorts the sample.
static double largest_distance(float *sample, double (*cumulative)(double)) {
    qsort(sample, SAMPLES, sizeof *sample, ascending);
    double worst = 0;
    for (size_t i = 0; i < SAMPLES; i++) {
        double p = cumulative(sample[i]);
        worst = gb_max_double(worst, p - (double)i / SAMPLES);
        worst = gb_max_double(worst, (double)(i + 1) / SAMPLES - p);
    }
    return worst;
}

static double uniform_cumulative(double x) {
    return x;
}
static double normal_cumulative(double x) {
    return erfc(-x / sqrt(2)) / 2;
}

static void has_moments(const char *what, const float *sample, const double moments[4],
                        const double deviations[4]) {
    double sums[4] = {0}, neighbours = 0;
    for (size_t i = 0; i < SAMPLES; i++) {
        double power = 1;
        for (int k = 0; k < 4; k++)
            sums[k] += power *= sample[i];
        if (i > 0)
            neighbours += (sample[i] - moments[0]) * (sample[i - 1] - moments[0]);
    }
    // Five standard deviations of the mean.
    for (int k = 0; k < 4; k++)
        assert_number(what, sums[k] / SAMPLES, moments[k], 5 * deviations[k] / sqrt(SAMPLES));
    double variance = moments[1] - moments[0] * moments[0];
    assert_number(what, neighbours / SAMPLES, 0, 5 * variance / sqrt(SAMPLES));
}

GB_TEST(numbers_follow_their_distributions) {
    const struct gb_backend *backend;
    assert_ok(gb_backend_find(NULL, &backend));
    const struct gb_exec exec = {.threads = 1};
    const struct gb_random_key key = {.seed = 1, .purpose = GB_RANDOM_TEST};
    float *sample = malloc(SAMPLES * sizeof *sample);
    assert_non_null(sample);
    // A distance beyond 2 / sqrt(count) has probability 7e-4; the seed is fixed.
    backend->random_uniform(&exec, &key, 0, SAMPLES, 0, 1, sample);
    has_moments("uniform", sample, (const double[]){1. / 2, 1. / 3, 1. / 4, 1. / 5},
                (const double[]){0.29, 0.30, 0.29, 0.27});
    assert_true(largest_distance(sample, uniform_cumulative) < 2 / sqrt(SAMPLES));
    assert_true(sample[0] >= 0 && sample[SAMPLES - 1] < 1);
    backend->random_normal(&exec, &key, 0, SAMPLES, 1, sample);
    has_moments("normal", sample, (const double[]){0, 1, 0, 3},
                (const double[]){1, sqrt(2), sqrt(15), sqrt(96)});
    assert_true(largest_distance(sample, normal_cumulative) < 2 / sqrt(SAMPLES));
    free(sample);
}
