// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "tests/kernels/check.h"

struct scene {
    enum gb_sigma_form form;
    int n, h, w, c;
    enum gb_check_layout layout;
    struct gb_tensor z, prior_view;
    const struct gb_tensor *prior; // NULL: the standard normal
    float *d_log_density;
};

static struct gb_tensor view_like(const struct scene *s, const char *name) {
    return gb_check_view(name, s->n, s->h, s->w, s->c, s->layout);
}

static void make_scene(struct scene *s, enum gb_sigma_form form, const struct gb_check_shape *shape,
                       enum gb_check_layout layout, bool with_prior) {
    *s = (struct scene){form, shape->n, shape->h, shape->w, shape->c, layout, .prior = NULL};
    s->z = view_like(s, "z");
    gb_check_fill(&s->z, GB_CHECK_NORMAL, 1);
    if (with_prior) {
        s->prior_view = gb_check_view("prior", s->n, s->h, s->w, 2 * s->c, layout);
        gb_check_fill(&s->prior_view, GB_CHECK_NORMAL, 2);
        s->prior = &s->prior_view;
    }
    s->d_log_density = gb_check_floats("d log density", (size_t)s->n, GB_CHECK_FLUSH);
    gb_check_fill_floats(s->d_log_density, (size_t)s->n, GB_CHECK_NORMAL, 3);
}

struct element {
    double z, mean, sigma, d, slope; // slope: of log(sigma) in the raw value
};

static struct element element_at(const struct scene *s, int n, int i, int j, int c) {
    struct element e = {.z = gb_at(&s->z, n, i, j)[c], .sigma = 1};
    if (s->prior) {
        const double raw = gb_at(s->prior, n, i, j)[s->c + c];
        e.mean = gb_at(s->prior, n, i, j)[c];
        e.sigma = s->form == GB_SIGMA_EXP ? exp(raw) : log1p(exp(raw));
        e.slope = s->form == GB_SIGMA_EXP ? 1 : 1 / (1 + exp(-raw)) / e.sigma;
    }
    e.d = (e.z - e.mean) / e.sigma;
    return e;
}

static double log_density_of(const struct element *e) {
    return -0.5 * (log(2 * acos(-1)) + 2 * log(e->sigma) + e->d * e->d);
}

struct result {
    struct gb_tensor sample, dz, d_prior;
    double *log_density;
};

static const float temperature = 0.7f;
enum { EARLIER_LOG_DENSITY = 3 }; // the kernel adds to what is there

// The scene's z serves as the noise.
static struct result run(const struct scene *s, const struct gb_backend *backend, int threads,
                         bool in_place) {
    struct result r = {view_like(s, "sample"), view_like(s, "dz"),
                       gb_check_view("d prior", s->n, s->h, s->w, 2 * s->c, s->layout),
                       gb_check_doubles("log density", (size_t)s->n)};
    for (int n = 0; n < s->n; n++)
        r.log_density[n] = EARLIER_LOG_DENSITY;
    if (in_place)
        gb_check_fill(&r.sample, GB_CHECK_NORMAL, 1);
    const struct gb_exec exec = gb_check_exec(threads, gb_gaussian_scratch_floats(&s->z));
    backend->gaussian_forward(&exec, s->form, &s->z, s->prior, r.log_density);
    backend->gaussian_backward(&exec, s->form, &s->z, s->prior, s->d_log_density, &r.dz,
                               s->prior ? &r.d_prior : NULL);
    backend->gaussian_sample(&exec, s->form, in_place ? &r.sample : &s->z, s->prior, temperature,
                             &r.sample);
    return r;
}

// The definition in double.
static void check_values(const struct scene *s, const struct gb_backend *backend) {
    const size_t elements = gb_elements(&s->z);
    double *z = gb_check_doubles("z", elements), *z_bound = gb_check_doubles("z bound", elements);
    double *dz = gb_check_doubles("dz", elements);
    double *dz_bound = gb_check_doubles("dz bound", elements);
    double *d_prior = gb_check_doubles("d prior", 2 * elements);
    double *d_prior_bound = gb_check_doubles("d prior bound", 2 * elements);
    double *log_density = gb_check_doubles("log density", (size_t)s->n);
    double *size = gb_check_doubles("size", (size_t)s->n);
    const double e = GB_CHECK_ROUNDING;
    size_t index = 0;
    for (int n = 0; n < s->n; n++)
        for (int i = 0; i < s->h; i++)
            for (int j = 0; j < s->w; j++)
                for (int c = 0; c < s->c; c++, index++) {
                    const struct element x = element_at(s, n, i, j, c);
                    const double sigma = x.sigma, d_log = s->d_log_density[n];
                    log_density[n] += log_density_of(&x);
                    size[n] += fabs(log(sigma)) + x.d * x.d + (s->form != GB_SIGMA_EXP);
                    z[index] = x.mean + sigma * x.z * temperature;
                    z_bound[index] = 8 * e * (fabs(x.mean) + fabs(sigma * x.z * temperature));
                    dz[index] = -d_log * x.d / sigma;
                    dz_bound[index] = 12 * e * fabs(dz[index]);
                    const size_t mean = index / (size_t)s->c * 2 * (size_t)s->c + (size_t)c;
                    d_prior[mean] = -dz[index];
                    d_prior_bound[mean] = dz_bound[index];
                    d_prior[mean + (size_t)s->c] = d_log * (x.d * x.d - 1) * x.slope;
                    d_prior_bound[mean + (size_t)s->c] = 16 * e * fabs(d_log) * (x.d * x.d + 1);
                }
    const struct result r = run(s, backend, 1, false);
    assert_true(gb_check_near("sample", &r.sample, z, z_bound));
    assert_true(gb_check_near("dz", &r.dz, dz, dz_bound));
    if (s->prior)
        assert_true(gb_check_near("d prior", &r.d_prior, d_prior, d_prior_bound));
    // Twelve roundings in a term, and one for each term of a row's float sum.
    for (int n = 0; n < s->n; n++)
        assert_true(gb_check_number("log density", r.log_density[n],
                                    EARLIER_LOG_DENSITY + log_density[n],
                                    e * (12 + (double)s->w * s->c) * size[n] + 1e-12 * elements));
}

// With any number of threads and in place: the reference's bits in all tensors; log-densities agree
// in bits within a backend.
static void check_bits(const struct scene *s, const struct gb_backend *backend) {
    const struct result want = run(s, gb_check_reference(), 1, false);
    const struct result one = run(s, backend, 1, false);
    for (int threads = 1; threads <= GB_CHECK_MAX_THREADS; threads++)
        for (int in_place = 0; in_place < 2; in_place++) {
            const struct result r = run(s, backend, threads, in_place);
            assert_true(gb_check_same_bits("sample", &want.sample, &r.sample));
            assert_true(gb_check_same_bits("dz", &want.dz, &r.dz));
            if (s->prior)
                assert_true(gb_check_same_bits("d prior", &want.d_prior, &r.d_prior));
            assert_memory_equal(one.log_density, r.log_density, (size_t)s->n * sizeof(double));
        }
}

static void for_every_scene(void (*check)(const struct scene *, const struct gb_backend *)) {
    static const struct {
        enum gb_sigma_form form;
        bool with_prior;
    } priors[] = {{GB_SIGMA_EXP, false}, {GB_SIGMA_EXP, true}, {GB_SIGMA_SOFTPLUS, true}};
    for (size_t prior = 0; prior < sizeof priors / sizeof *priors; prior++)
        for (int shape = 0; shape < GB_CHECK_SHAPES; shape++)
            for (int layout = 0; layout < GB_CHECK_LAYOUTS; layout++) {
                struct scene scene;
                make_scene(&scene, priors[prior].form, &gb_check_shapes[shape], layout,
                           priors[prior].with_prior);
                GB_CHECK_EACH_BACKEND(backend)
                    check(&scene, backend);
                assert_true(gb_check_guards());
                gb_check_free();
            }
}

static void is_the_definition_in_double(void **state) {
    (void)state;
    for_every_scene(check_values);
}

static void gives_the_same_bits_everywhere(void **state) {
    (void)state;
    for_every_scene(check_bits);
}

static double loss(const struct scene *s) {
    double sum = 0;
    for (int n = 0; n < s->n; n++)
        for (int i = 0; i < s->h; i++)
            for (int j = 0; j < s->w; j++)
                for (int c = 0; c < s->c; c++) {
                    const struct element x = element_at(s, n, i, j, c);
                    sum += s->d_log_density[n] * log_density_of(&x);
                }
    return sum;
}

static double quotient(const struct scene *s, float *at) {
    const float value = *at, high = value + 0x1p-9f, low = value - 0x1p-9f;
    *at = high;
    double above = loss(s);
    *at = low;
    double below = loss(s);
    *at = value;
    return (above - below) / ((double)high - low);
}

static void check_gradients(enum gb_sigma_form form) {
    struct scene s;
    make_scene(&s, form, &(struct gb_check_shape){2, 2, 3, 3}, GB_CHECK_DENSE, true);
    const struct result r = run(&s, gb_check_reference(), 1, false);
    for (int n = 0; n < s.n; n++)
        for (int i = 0; i < s.h; i++)
            for (int j = 0; j < s.w; j++) {
                for (int c = 0; c < s.c; c++) {
                    double want = quotient(&s, gb_at(&s.z, n, i, j) + c);
                    assert_true(gb_check_number("dz", gb_at(&r.dz, n, i, j)[c], want,
                                                1e-5 * (1 + fabs(want))));
                }
                for (int c = 0; c < 2 * s.c; c++) {
                    double want = quotient(&s, gb_at(s.prior, n, i, j) + c);
                    assert_true(gb_check_number("d prior", gb_at(&r.d_prior, n, i, j)[c], want,
                                                1e-4 * (1 + fabs(want))));
                }
            }
    gb_check_free();
}

static void gradients_are_difference_quotients(void **state) {
    (void)state;
    check_gradients(GB_SIGMA_EXP);
    check_gradients(GB_SIGMA_SOFTPLUS);
}

int main(void) {
    gb_flush_denormals();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_the_definition_in_double),
        cmocka_unit_test(gives_the_same_bits_everywhere),
        cmocka_unit_test(gradients_are_difference_quotients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
