// SPDX-License-Identifier: MIT
#include <math.h>
#include <string.h>

#include "tests/kernels/check.h"
#include "tests/support/test.h"

struct scene {
    enum gb_check_layout layout;
    struct gb_tensor y, logits;
    float *d_log_likelihood;
};

static struct gb_tensor view_like(const struct scene *s, const char *name) {
    return gb_check_view(name, s->y.n, s->y.h, s->y.w, s->y.c, s->layout);
}

// Labels in the first row; weights elsewhere, zeros among them.
static void make_one_hot(const struct gb_tensor *y) {
    for (int n = 0; n < y->n; n++)
        for (int j = 0; j < y->w; j++)
            for (int c = 0; c < y->c; c++)
                gb_at(y, n, 0, j)[c] = c == (n + j) % y->c;
}

static struct scene make_scene(const struct gb_check_shape *shape, enum gb_check_layout layout) {
    struct scene s = {.layout = layout};
    int classes = shape->c < GB_MOST_CLASSES ? shape->c : GB_MOST_CLASSES;
    s.y = gb_check_view("y", shape->n, shape->h, shape->w, classes, layout);
    s.logits = view_like(&s, "logits");
    gb_check_fill(&s.y, GB_CHECK_INTEGERS, 1);
    gb_check_fill(&s.logits, GB_CHECK_NORMAL, 2);
    s.d_log_likelihood = gb_check_floats("d log likelihood", (size_t)shape->n, GB_CHECK_FLUSH);
    gb_check_fill_floats(s.d_log_likelihood, (size_t)shape->n, GB_CHECK_NORMAL, 3);
    for (int n = 0; n < s.y.n; n++)
        for (int i = 0; i < s.y.h; i++)
            for (int j = 0; j < s.y.w; j++)
                for (int c = 0; c < s.y.c; c++) {
                    float *y = gb_at(&s.y, n, i, j) + c;
                    *y = *y > 0 ? *y : 0;
                    gb_at(&s.logits, n, i, j)[c] *= 8;
                }
    make_one_hot(&s.y);
    return s;
}

// The definition in double: log p of every class.
static void log_softmax(const float *logits, int classes, double *log_p) {
    double largest = (double)logits[0], sum = 0;
    for (int c = 1; c < classes; c++)
        largest = fmax(largest, (double)logits[c]);
    for (int c = 0; c < classes; c++)
        sum += exp((double)logits[c] - largest);
    for (int c = 0; c < classes; c++)
        log_p[c] = (double)logits[c] - largest - log(sum);
}

static double pixel_log_likelihood(const struct scene *s, int n, int i, int j) {
    double log_p[GB_MOST_CLASSES], sum = 0;
    log_softmax(gb_at(&s->logits, n, i, j), s->y.c, log_p);
    for (int c = 0; c < s->y.c; c++)
        sum += (double)gb_at(&s->y, n, i, j)[c] * log_p[c];
    return sum;
}

struct result {
    struct gb_tensor d_logits, mean;
    double *log_likelihood;
};

enum { EARLIER = 3 }; // the kernel adds to what is there

static struct result run(const struct scene *s, const struct gb_backend *backend, int threads,
                         bool in_place) {
    struct result r = {view_like(s, "d logits"), view_like(s, "mean"),
                       gb_check_doubles("log likelihood", (size_t)s->y.n)};
    for (int n = 0; n < s->y.n; n++)
        r.log_likelihood[n] = EARLIER;
    if (in_place) {
        gb_copy_values(&s->logits, &r.d_logits);
        gb_copy_values(&s->logits, &r.mean);
    }
    const struct gb_exec exec = gb_check_exec(threads, gb_categorical_scratch_bytes(&s->y));
    backend->categorical_forward(&exec, &s->y, &s->logits, r.log_likelihood);
    backend->categorical_backward(&exec, &s->y, in_place ? &r.d_logits : &s->logits,
                                  s->d_log_likelihood, &r.d_logits);
    backend->categorical_mean(&exec, in_place ? &r.mean : &s->logits, &r.mean);
    return r;
}

static double spread_of(const float *logits, int classes) {
    double least = (double)logits[0], most = least;
    for (int c = 1; c < classes; c++) {
        least = fmin(least, (double)logits[c]);
        most = fmax(most, (double)logits[c]);
    }
    return most - least;
}

static void check_values(const struct scene *s, const struct gb_backend *backend) {
    const struct result r = run(s, backend, 1, false);
    const double e = GB_CHECK_ROUNDING;
    for (int n = 0; n < s->y.n; n++) {
        double log_likelihood = EARLIER, size = 0;
        for (int i = 0; i < s->y.h; i++)
            for (int j = 0; j < s->y.w; j++) {
                double log_p[GB_MOST_CLASSES];
                double spread = 1 + spread_of(gb_at(&s->logits, n, i, j), s->y.c);
                log_softmax(gb_at(&s->logits, n, i, j), s->y.c, log_p);
                log_likelihood += pixel_log_likelihood(s, n, i, j);
                for (int c = 0; c < s->y.c; c++) {
                    double p = exp(log_p[c]);
                    size += (double)gb_at(&s->y, n, i, j)[c] * (spread - log_p[c]);
                    assert_true(gb_check_number("mean", (double)gb_at(&r.mean, n, i, j)[c], p,
                                                (8 + s->y.c) * e * spread * p));
                }
            }
        assert_true(gb_check_number("log likelihood", r.log_likelihood[n], log_likelihood,
                                    e * (8 + s->y.c + s->y.w * s->y.c) * size));
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
            assert_memory_equal(one.log_likelihood, r.log_likelihood,
                                (size_t)s->y.n * sizeof(double));
        }
}

static void for_every_scene(void (*check)(const struct scene *, const struct gb_backend *)) {
    for (int shape = 0; shape < GB_CHECK_SHAPES; shape++)
        for (int layout = 0; layout < GB_CHECK_LAYOUTS; layout++) {
            const struct scene scene = make_scene(&gb_check_shapes[shape], layout);
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

// However far apart the logits are.
GB_TEST(probabilities_sum_to_one) {
    float logits[3] = {-1e4f, 3e4f, 3e4f}, p[3];
    const struct gb_tensor from = gb_dense(logits, 1, 1, 1, 3), to = gb_dense(p, 1, 1, 1, 3);
    const struct gb_exec exec = {.threads = 1};
    GB_CHECK_EACH_BACKEND(backend) {
        backend->categorical_mean(&exec, &from, &to);
        assert_true(p[0] == 0 && p[1] == 0.5f && p[2] == 0.5f);
    }
}

GB_TEST(gradients_are_difference_quotients) {
    const struct scene s = make_scene(&(struct gb_check_shape){2, 3, 4, 5}, GB_CHECK_DENSE);
    const struct result r = run(&s, gb_check_reference(), 1, false);
    for (int n = 0; n < s.y.n; n++)
        for (int i = 0; i < s.y.h; i++)
            for (int j = 0; j < s.y.w; j++)
                for (int c = 0; c < s.y.c; c++) {
                    float *at = gb_at(&s.logits, n, i, j) + c;
                    const float value = *at, high = value + 0x1p-9f, low = value - 0x1p-9f;
                    *at = high;
                    double above = pixel_log_likelihood(&s, n, i, j);
                    *at = low;
                    double below = pixel_log_likelihood(&s, n, i, j);
                    *at = value;
                    assert_true(gb_check_number("d logits", (double)gb_at(&r.d_logits, n, i, j)[c],
                                                (double)s.d_log_likelihood[n] * (above - below) /
                                                    ((double)high - (double)low),
                                                2e-5));
                }
    gb_check_free();
}
