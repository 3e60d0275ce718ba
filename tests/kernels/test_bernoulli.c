// SPDX-License-Identifier: MIT
#include <math.h>
#include <string.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

static const struct gb_bernoulli likelihoods[] = {
    {1, 1, false}, {0.9f, 0.1f, false}, {0.1f, 0.9f, true}};
enum { LIKELIHOODS = sizeof likelihoods / sizeof *likelihoods };

struct scene {
    const struct gb_bernoulli *bernoulli;
    enum gb_check_layout layout;
    struct gb_tensor y, logits, uniform;
    float *d_log_likelihood;
};

static struct gb_tensor view_like(const struct scene *s, const char *name) {
    return gb_check_view(name, s->y.n, s->y.h, s->y.w, s->y.c, s->layout);
}

static struct scene make_scene(const struct gb_bernoulli *bernoulli,
                               const struct gb_check_shape *shape, enum gb_check_layout layout) {
    struct scene s = {.bernoulli = bernoulli, .layout = layout};
    s.y = gb_check_view("y", shape->n, shape->h, shape->w, shape->c, layout);
    s.logits = view_like(&s, "logits");
    s.uniform = view_like(&s, "uniform");
    gb_check_fill(&s.y, GB_CHECK_INTEGERS, 1);
    gb_check_fill(&s.logits, GB_CHECK_NORMAL, 2);
    s.d_log_likelihood = gb_check_floats("d log likelihood", (size_t)shape->n, GB_CHECK_FLUSH);
    gb_check_fill_floats(s.d_log_likelihood, (size_t)shape->n, GB_CHECK_NORMAL, 3);
    const struct gb_random_key key = {.seed = gb_check_seed(), .purpose = GB_RANDOM_TEST};
    uint32_t index = 0;
    for (int n = 0; n < s.y.n; n++)
        for (int i = 0; i < s.y.h; i++)
            for (int j = 0; j < s.y.w; j++)
                for (int c = 0; c < s.y.c; c++, index++) {
                    gb_at(&s.y, n, i, j)[c] = gb_at(&s.y, n, i, j)[c] > 0;
                    gb_at(&s.logits, n, i, j)[c] *= 4;
                    gb_at(&s.uniform, n, i, j)[c] = gb_random_uniform(&key, index);
                }
    return s;
}

// Eq. 9 in double: the log-likelihood of y at a logit, and the probability of a one.
static double log_likelihood_of(const struct gb_bernoulli *b, bool one, double logit) {
    const double log_p = -log1p(exp(-logit)), log_q = -log1p(exp(logit));
    const double numerator = one ? b->weight_one * log_p : b->weight_zero * log_q;
    if (!b->normalised)
        return numerator;
    return numerator - log(exp(b->weight_one * log_p) + exp(b->weight_zero * log_q));
}

static double log_likelihood_at(const struct scene *s, int n, int i, int j, int c) {
    return log_likelihood_of(s->bernoulli, gb_at(&s->y, n, i, j)[c] == 1,
                             gb_at(&s->logits, n, i, j)[c]);
}

static double mean_at(const struct scene *s, int n, int i, int j, int c) {
    const double logit = gb_at(&s->logits, n, i, j)[c];
    if (!s->bernoulli->normalised)
        return 1 / (1 + exp(-logit));
    return exp(log_likelihood_of(s->bernoulli, true, logit));
}

struct result {
    struct gb_tensor d_logits, mean, sample;
    double *log_likelihood;
};

enum { EARLIER = 3 }; // the kernel adds to what is there

static struct result run(const struct scene *s, const struct gb_backend *backend, int threads,
                         bool in_place) {
    struct result r = {view_like(s, "d logits"), view_like(s, "mean"), view_like(s, "sample"),
                       gb_check_doubles("log likelihood", (size_t)s->y.n)};
    for (int n = 0; n < s->y.n; n++)
        r.log_likelihood[n] = EARLIER;
    if (in_place) {
        gb_copy_values(&s->logits, &r.d_logits);
        gb_copy_values(&s->logits, &r.mean);
        gb_copy_values(&s->uniform, &r.sample);
    }
    const struct gb_bernoulli *b = s->bernoulli;
    const struct gb_exec exec = gb_check_exec(threads, gb_bernoulli_scratch_bytes(&s->y));
    backend->bernoulli_forward(&exec, b, &s->y, &s->logits, r.log_likelihood);
    backend->bernoulli_backward(&exec, b, &s->y, in_place ? &r.d_logits : &s->logits,
                                s->d_log_likelihood, &r.d_logits);
    backend->bernoulli_mean(&exec, b, in_place ? &r.mean : &s->logits, &r.mean);
    backend->bernoulli_sample(&exec, b, in_place ? &r.sample : &s->uniform, &s->logits, &r.sample);
    return r;
}

// The definition in double.
static void check_values(const struct scene *s, const struct gb_backend *backend) {
    const struct result r = run(s, backend, 1, false);
    const double e = GB_CHECK_ROUNDING;
    for (int n = 0; n < s->y.n; n++) {
        double log_likelihood = EARLIER, size = 0, elements = s->y.h * s->y.w * s->y.c;
        for (int i = 0; i < s->y.h; i++)
            for (int j = 0; j < s->y.w; j++)
                for (int c = 0; c < s->y.c; c++) {
                    const double value = log_likelihood_at(s, n, i, j, c);
                    const double mean = mean_at(s, n, i, j, c);
                    log_likelihood += value;
                    size += fabs(value) + fabs(gb_at(&s->logits, n, i, j)[c]);
                    assert_true(gb_check_number("mean", gb_at(&r.mean, n, i, j)[c], mean,
                                                16 * e * (1 + fabs(log(mean))) * mean));
                    assert_true(gb_at(&r.sample, n, i, j)[c] ==
                                (gb_at(&s->uniform, n, i, j)[c] < gb_at(&r.mean, n, i, j)[c]));
                }
        assert_true(gb_check_number("log likelihood", r.log_likelihood[n], log_likelihood,
                                    e * (12 + s->y.w * s->y.c) * (size + elements)));
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
            assert_true(gb_check_same_bits("d logits", &want.d_logits, &r.d_logits));
            assert_true(gb_check_same_bits("mean", &want.mean, &r.mean));
            assert_true(gb_check_same_bits("sample", &want.sample, &r.sample));
            assert_memory_equal(one.log_likelihood, r.log_likelihood,
                                (size_t)s->y.n * sizeof(double));
        }
}

static void for_every_scene(void (*check)(const struct scene *, const struct gb_backend *)) {
    for (int likelihood = 0; likelihood < LIKELIHOODS; likelihood++)
        for (int shape = 0; shape < GB_CHECK_SHAPES; shape++)
            for (int layout = 0; layout < GB_CHECK_LAYOUTS; layout++) {
                const struct scene scene =
                    make_scene(&likelihoods[likelihood], &gb_check_shapes[shape], layout);
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

// With the normaliser the two masks of a pixel share the probability.
GB_TEST(normalised_probabilities_sum_to_one) {
    GB_CHECK_EACH_BACKEND(backend)
        for (int likelihood = 0; likelihood < LIKELIHOODS; likelihood++)
            for (float logit = -30; logit <= 30; logit += 2.5f) {
                if (!likelihoods[likelihood].normalised)
                    continue;
                float y[2] = {0, 1}, logits[2] = {logit, logit}, scratch[2];
                double log_likelihood[2] = {0, 0};
                struct gb_tensor y_view = gb_dense(y, 2, 1, 1, 1);
                struct gb_tensor logits_view = gb_dense(logits, 2, 1, 1, 1);
                const struct gb_exec exec = {
                    .threads = 1, .scratch = scratch, .scratch_bytes = sizeof scratch};
                backend->bernoulli_forward(&exec, &likelihoods[likelihood], &y_view, &logits_view,
                                           log_likelihood);
                assert_true(gb_check_number("sum", exp(log_likelihood[0]) + exp(log_likelihood[1]),
                                            1, 1e-6));
            }
}

GB_TEST(gradients_are_difference_quotients) {
    for (int likelihood = 0; likelihood < LIKELIHOODS; likelihood++) {
        const struct scene s = make_scene(&likelihoods[likelihood],
                                          &(struct gb_check_shape){2, 3, 4, 2}, GB_CHECK_DENSE);
        const struct result r = run(&s, gb_check_reference(), 1, false);
        for (int n = 0; n < s.y.n; n++)
            for (int i = 0; i < s.y.h; i++)
                for (int j = 0; j < s.y.w; j++)
                    for (int c = 0; c < s.y.c; c++) {
                        float *at = gb_at(&s.logits, n, i, j) + c;
                        const float value = *at, high = value + 0x1p-9f, low = value - 0x1p-9f;
                        *at = high;
                        double above = log_likelihood_at(&s, n, i, j, c);
                        *at = low;
                        double below = log_likelihood_at(&s, n, i, j, c);
                        *at = value;
                        assert_true(gb_check_number(
                            "d logits", gb_at(&r.d_logits, n, i, j)[c],
                            s.d_log_likelihood[n] * (above - below) / ((double)high - low), 1e-5));
                    }
        gb_check_free();
    }
}
