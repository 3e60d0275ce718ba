// SPDX-License-Identifier: MIT
#include <math.h>
#include <string.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

struct scene {
    int levels;
    enum gb_check_layout layout;
    struct gb_tensor x, raw, uniform;
    float *d_log_likelihood;
};

static struct gb_tensor view_like(const struct scene *s, const char *name) {
    return gb_check_view(name, s->x.n, s->x.h, s->x.w, s->x.c, s->layout);
}

// Levels around the means, among them the first and the last; scales from a tenth of a level to the
// whole range.
static struct scene make_scene(int levels, const struct gb_check_shape *shape,
                               enum gb_check_layout layout) {
    struct scene s = {.levels = levels, .layout = layout};
    s.x = gb_check_view("x", shape->n, shape->h, shape->w, shape->c, layout);
    s.raw = gb_check_view("raw", shape->n, shape->h, shape->w, 2 * shape->c, layout);
    s.uniform = view_like(&s, "uniform");
    gb_check_fill(&s.x, GB_CHECK_NORMAL, 1);
    gb_check_fill(&s.raw, GB_CHECK_NORMAL, 2);
    s.d_log_likelihood = gb_check_floats("d log likelihood", (size_t)shape->n, GB_CHECK_FLUSH);
    gb_check_fill_floats(s.d_log_likelihood, (size_t)shape->n, GB_CHECK_NORMAL, 3);
    const struct gb_random_key key = {.seed = gb_check_seed(), .purpose = GB_RANDOM_TEST};
    uint32_t index = 0;
    for (int n = 0; n < s.x.n; n++)
        for (int i = 0; i < s.x.h; i++)
            for (int j = 0; j < s.x.w; j++)
                for (int c = 0; c < s.x.c; c++, index++) {
                    float *raw = gb_at(&s.raw, n, i, j), *x = gb_at(&s.x, n, i, j) + c;
                    raw[c] *= 0.4f;
                    raw[s.x.c + c] = 1.5f * raw[s.x.c + c] - 3;
                    float level = rintf((raw[c] + 0.5f + 0.1f * *x) * (float)levels);
                    *x = fminf(fmaxf(level, 0), (float)(levels - 1)) / (float)levels;
                    gb_at(&s.uniform, n, i, j)[c] = gb_random_uniform(&key, index);
                }
    return s;
}

// The log-probability of a level in double, by the definition: a difference of two sigmoids, of the
// side on which it has its digits.
static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}
static double log_probability(int levels, double x, double mean, double scale) {
    const double lower = (x - 0.5 / levels - mean) / scale,
                 upper = (x + 0.5 / levels - mean) / scale;
    const bool first = x<0.5 / levels, last = x> 1 - 1.5 / levels;
    if (lower + upper > 0)
        return log((first ? 1 : sigmoid(-lower)) - (last ? 0 : sigmoid(-upper)));
    return log((last ? 1 : sigmoid(upper)) - (first ? 0 : sigmoid(lower)));
}

struct element {
    double x, mean, scale;
};

static struct element element_at(const struct scene *s, int n, int i, int j, int c) {
    const float *raw = gb_at(&s->raw, n, i, j);
    return (struct element){gb_at(&s->x, n, i, j)[c], raw[c] + 0.5, exp(raw[s->x.c + c])};
}

static double log_probability_at(const struct scene *s, int n, int i, int j, int c) {
    const struct element e = element_at(s, n, i, j, c);
    return log_probability(s->levels, e.x, e.mean, e.scale);
}

struct result {
    struct gb_tensor d_raw, sample;
    double *log_likelihood;
};

static const float temperature = 0.7f;
enum { EARLIER = 3 }; // the kernel adds to what is there

static struct result run(const struct scene *s, const struct gb_backend *backend, int threads,
                         bool in_place) {
    struct result r = {gb_check_view("d raw", s->x.n, s->x.h, s->x.w, 2 * s->x.c, s->layout),
                       view_like(s, "sample"), gb_check_doubles("log likelihood", (size_t)s->x.n)};
    for (int n = 0; n < s->x.n; n++)
        r.log_likelihood[n] = EARLIER;
    if (in_place)
        gb_copy_values(&s->uniform, &r.sample);
    const struct gb_exec exec = gb_check_exec(threads, gb_logistic_scratch_bytes(&s->x));
    backend->logistic_forward(&exec, s->levels, &s->x, &s->raw, r.log_likelihood);
    backend->logistic_backward(&exec, s->levels, &s->x, &s->raw, s->d_log_likelihood, &r.d_raw);
    backend->logistic_sample(&exec, s->levels, in_place ? &r.sample : &s->uniform, &s->raw,
                             temperature, &r.sample);
    return r;
}

// The definition in double, the stated error for each element.
static void check_values(const struct scene *s, const struct gb_backend *backend) {
    const struct result r = run(s, backend, 1, false);
    const double e = GB_CHECK_ROUNDING;
    for (int n = 0; n < s->x.n; n++) {
        double log_likelihood = EARLIER, bound = 0, size = 0;
        for (int i = 0; i < s->x.h; i++)
            for (int j = 0; j < s->x.w; j++)
                for (int c = 0; c < s->x.c; c++) {
                    const struct element k = element_at(s, n, i, j, c);
                    const double d = fabs(k.x - k.mean) / k.scale, w = 1 / (s->levels * k.scale);
                    const double value = log_probability_at(s, n, i, j, c);
                    log_likelihood += value;
                    size += fabs(value);
                    bound += 24 * e * (1 + d + w + fabs(log(w)));
                    const float sample = gb_at(&r.sample, n, i, j)[c];
                    assert_true(sample >= 0 && sample < 1);
                    assert_true(sample * (float)s->levels == rintf(sample * (float)s->levels));
                }
        assert_true(gb_check_number("log likelihood", r.log_likelihood[n], log_likelihood,
                                    bound + e * s->x.w * s->x.c * size));
    }
}

// With any number of threads and in place: the reference's bits in all tensors; log-likelihoods
// agree in bits within a backend.
static void check_bits(const struct scene *s, const struct gb_backend *backend) {
    const struct result want = run(s, gb_check_reference(), 1, false);
    const struct result one = run(s, backend, 1, false);
    for (int threads = 1; threads <= GB_CHECK_MAX_THREADS; threads++)
        for (int in_place = 0; in_place < 2; in_place++) {
            const struct result r = run(s, backend, threads, in_place);
            assert_true(gb_check_same_bits("d raw", &want.d_raw, &r.d_raw));
            assert_true(gb_check_same_bits("sample", &want.sample, &r.sample));
            assert_memory_equal(one.log_likelihood, r.log_likelihood,
                                (size_t)s->x.n * sizeof(double));
        }
}

static void for_every_scene(void (*check)(const struct scene *, const struct gb_backend *)) {
    static const int levels[] = {2, 3, 256};
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++)
        for (int shape = 0; shape < GB_CHECK_SHAPES; shape++)
            for (int layout = 0; layout < GB_CHECK_LAYOUTS; layout++) {
                const struct scene scene = make_scene(levels[l], &gb_check_shapes[shape], layout);
                GB_CHECK_EACH_BACKEND(backend)
                    check(&scene, backend);
                assert_true(gb_check_guards());
                gb_check_free();
            }
}

GB_TEST(is_the_definition_in_double) {
    for_every_scene(check_values);
}

GB_TEST(gives_the_same_bits_everywhere) {
    for_every_scene(check_bits);
}

// One sample for each level, all of one mean and scale.
enum { LEVELS = 256 };
static void one_distribution(float mean, float log_scale, const struct gb_tensor *x,
                             const struct gb_tensor *raw) {
    for (int level = 0; level < LEVELS; level++) {
        *gb_at(x, level, 0, 0) = (float)level / LEVELS;
        gb_at(raw, level, 0, 0)[0] = mean - 0.5f;
        gb_at(raw, level, 0, 0)[1] = log_scale;
    }
}

static const struct {
    float mean, log_scale;
} distributions[] = {{0.5f, -3},  {0.3f, -6},    {0.7f, -8}, {0, -2},    {1, -1},
                     {-0.4f, -3}, {1.7f, -1.5f}, {0.5f, 4},  {0.21f, 20}};
enum { DISTRIBUTIONS = sizeof distributions / sizeof *distributions };

GB_TEST(probabilities_sum_to_one) {
    GB_CHECK_EACH_BACKEND(backend)
        for (int d = 0; d < DISTRIBUTIONS; d++) {
            struct gb_tensor x = gb_check_view("x", LEVELS, 1, 1, 1, GB_CHECK_FLUSH);
            struct gb_tensor raw = gb_check_view("raw", LEVELS, 1, 1, 2, GB_CHECK_FLUSH);
            double *log_likelihood = gb_check_doubles("log likelihood", LEVELS), sum = 0;
            const struct gb_exec exec = gb_check_exec(1, LEVELS);
            one_distribution(distributions[d].mean, distributions[d].log_scale, &x, &raw);
            backend->logistic_forward(&exec, LEVELS, &x, &raw, log_likelihood);
            for (int level = 0; level < LEVELS; level++)
                sum += exp(log_likelihood[level]);
            assert_true(gb_check_number("sum", sum, 1, 2e-6));
            gb_check_free();
        }
}

// Every uniform number of a grid once: each level as often as its probability says, give or take
// its two ends.
GB_TEST(samples_have_their_probabilities) {
    enum { DRAWS = 1 << 14 };
    GB_CHECK_EACH_BACKEND(backend)
        for (int d = 0; d < DISTRIBUTIONS; d++) {
            struct gb_tensor x = gb_check_view("x", 1, 1, DRAWS, 1, GB_CHECK_FLUSH);
            struct gb_tensor raw = gb_check_view("raw", 1, 1, DRAWS, 2, GB_CHECK_FLUSH);
            for (int i = 0; i < DRAWS; i++) {
                *gb_at(&x, 0, 0, i) = (float)i / DRAWS;
                gb_at(&raw, 0, 0, i)[0] = distributions[d].mean - 0.5f;
                gb_at(&raw, 0, 0, i)[1] = distributions[d].log_scale;
            }
            backend->logistic_sample(&(struct gb_exec){.threads = 1}, LEVELS, &x, &raw, 1, &x);
            int count[LEVELS] = {0};
            for (int i = 0; i < DRAWS; i++)
                count[(int)(*gb_at(&x, 0, 0, i) * LEVELS)]++;
            for (int level = 0; level < LEVELS; level++) {
                const double p =
                    exp(log_probability(LEVELS, (double)level / LEVELS, distributions[d].mean,
                                        exp(distributions[d].log_scale)));
                assert_true(gb_check_number("count", count[level], p * DRAWS, 2));
            }
            gb_check_free();
        }
}

GB_TEST(temperature_zero_gives_the_mean) {
    GB_CHECK_EACH_BACKEND(backend) {
        float u[4] = {0, 0.1f, 0.9f, 1 - 0x1p-24f}, out[4];
        float raw[8] = {-0.25f, 1, 0, 9, 0.3f, -2, 3, 1};
        struct gb_tensor uniform = gb_dense(u, 1, 1, 4, 1), x = gb_dense(out, 1, 1, 4, 1);
        struct gb_tensor raw_view = gb_dense(raw, 1, 1, 4, 2);
        backend->logistic_sample(&(struct gb_exec){.threads = 1}, LEVELS, &uniform, &raw_view, 0,
                                 &x);
        assert_true(out[0] == 0.25f && out[1] == 0.5f);
        assert_true(out[2] == 205.0f / 256 && out[3] == 255.0f / 256);
    }
}

static double quotient(const struct scene *s, int n, int i, int j, int c, float *at) {
    const float value = *at, high = value + 0x1p-12f, low = value - 0x1p-12f;
    *at = high;
    double above = log_probability_at(s, n, i, j, c);
    *at = low;
    double below = log_probability_at(s, n, i, j, c);
    *at = value;
    return s->d_log_likelihood[n] * (above - below) / ((double)high - low);
}

GB_TEST(gradients_are_difference_quotients) {
    const struct scene s = make_scene(256, &(struct gb_check_shape){2, 3, 7, 3}, GB_CHECK_DENSE);
    const struct result r = run(&s, gb_check_reference(), 1, false);
    for (int n = 0; n < s.x.n; n++)
        for (int i = 0; i < s.x.h; i++)
            for (int j = 0; j < s.x.w; j++)
                for (int c = 0; c < 2 * s.x.c; c++) {
                    float *at = gb_at(&s.raw, n, i, j) + c;
                    const double want = quotient(&s, n, i, j, c % s.x.c, at);
                    assert_true(gb_check_number("d raw", gb_at(&r.d_raw, n, i, j)[c], want,
                                                2e-4 * (1 + fabs(want))));
                }
    gb_check_free();
}
