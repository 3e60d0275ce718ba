// SPDX-License-Identifier: MIT
// The list of benchmarks: what a model counted by hand is made of, texts that name their problems
// again, checks that pass on every backend and fail on a wrong kernel.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/catalog/catalog.h"
#include "bench/catalog/kernel_benchmarks.h"
#include "flows/models/model.h"
#include "kernels/cpu.h"
#include "tests/support/test.h"
#include "tests/support/tiny_models.h"

static int flush_denormals(void **state) {
    (void)state;
    gb_flush_denormals();
    return 0;
}

GB_TEST_GROUP(flush_denormals, NULL)

static const struct gb_model_case tiny[] = {
    {"cglow-tiny-16", &gb_cglow_model, &gb_tiny_cglow, .batch = 2, .samples = 3}, {0}};

static const struct gb_model_case tiny_cnf[] = {
    {"cnf-patch-8", &gb_cnf_model, &gb_tiny_patch, .batch = 2, .samples = 3},
    {"cnf-mask-16", &gb_cnf_model, &gb_tiny_mask, .batch = 2, .samples = 3},
    {0}};

static const struct gb_ffn_config tiny_ffn = {{16, 16, 3, 8, 8, 3}, 2, 4};
static const struct gb_fcn_config tiny_fcn = {{32, 32, 3, 32, 32, 3}, GB_FCN_ZERO_ONE, 2};
static const struct gb_fcn_config tiny_masks = {{32, 32, 3, 32, 32, 1}, GB_FCN_CENTRED, 2};
static const struct gb_srcnn_config tiny_srcnn = {{4, 4, 3, 8, 8, 3}, 6, 5};
static const struct gb_factored_config tiny_levels = {
    {4, 8, 3, 8, 16, 3}, GB_CNF_SUPER_RESOLUTION, 6, 1, 4, 0, 0};
static const struct gb_factored_config tiny_labels = {
    {16, 8, 3, 16, 8, 1}, GB_CNF_SEGMENTATION, 6, 0, 0, 2, 90};
static const struct gb_model_case tiny_baselines[] = {
    {"dncnn-8", &gb_dncnn_model, &gb_tiny_dncnn, .batch = 2, .samples = 1},
    {"ffn-16", &gb_ffn_model, &tiny_ffn, .batch = 2, .samples = 1},
    {"fcn-32", &gb_fcn_model, &tiny_fcn, .batch = 2, .samples = 1},
    {"fcn-masks-32", &gb_fcn_model, &tiny_masks, .batch = 2, .samples = 3},
    {"srcnn-8", &gb_srcnn_model, &tiny_srcnn, .batch = 2, .samples = 1},
    {"factored-patch-8", &gb_factored_model, &tiny_levels, .batch = 2, .samples = 3},
    {"factored-mask-16", &gb_factored_model, &tiny_labels, .batch = 2, .samples = 3},
    {0}};

static const struct gb_backend *backend_named(const char *name) {
    const struct gb_backend *backend;
    assert_ok(gb_backend_find(name, &backend));
    return backend;
}

// Rows for this backend (NULL: the scalar one) with one thread.
static enum gb_status make_catalog(const struct gb_model_case *models, const char *filter,
                                   unsigned kinds, const struct gb_backend *backend,
                                   struct gb_catalog *catalog) {
    const struct gb_backend *const backends[] = {backend ? backend : backend_named("scalar"), NULL};
    const int threads[] = {1};
    const struct gb_catalog_request request = {.backends = backends,
                                               .threads = threads,
                                               .thread_count = 1,
                                               .filter = filter,
                                               .kinds = kinds,
                                               .models = models};
    return gb_catalog_make(&request, catalog);
}

static struct gb_catalog catalog_of(const struct gb_model_case *models, const char *filter,
                                    unsigned kinds, const struct gb_backend *backend) {
    struct gb_catalog catalog;
    assert_ok(make_catalog(models, filter, kinds, backend, &catalog));
    return catalog;
}

// How often a training step calls a problem.
struct count {
    const char *problem;
    int count;
};

static void check_counts(const struct gb_catalog *catalog, const struct count *counts, size_t n) {
    for (size_t i = 0; i < n; i++) {
        int found = 0;
        for (int j = 0; j < catalog->count; j++) {
            const struct gb_benchmark *benchmark = &catalog->list[j];
            if (strcmp(benchmark->problem, counts[i].problem) != 0)
                continue;
            assert_int_equal(benchmark->share_count, 1);
            found = benchmark->shares->count;
        }
        if (found != counts[i].count)
            fail_msg("%s: %d, not %d", counts[i].problem, found, counts[i].count);
    }
}

static int count_direction(const struct gb_catalog *catalog, const char *direction) {
    int count = 0;
    for (int i = 0; i < catalog->count; i++) {
        const struct gb_benchmark *b = &catalog->list[i];
        if (strcmp(b->operation, "conv") == 0 && strcmp(b->direction, direction) == 0)
            count += b->shares->count;
    }
    return count;
}

GB_TEST(test_counts) {
    static const struct count counts[] = {
        // Two conditioning networks a step, on the same image.
        {"conv/forward/n2h16w16c3k4r2s2u2v2p0q0relu", 4},
        {"conv/forward/n2h8w8c4k4r2s2u2v2p0q0relu", 4},
        {"conv/forward/n2h4w4c4k4r2s2u2v2p0q0relu", 4},
        {"fc/forward/n2h2w2c4k6relu", 4},
        {"fc/forward/n2h1w1c6k6relu", 4},
        {"fc/forward/n2h1w1c6k16tanh", 1}, // actnorm's log-scale and bias, of 8 channels
        {"fc/forward/n2h1w1c6k64tanh", 1}, // an 8 x 8 matrix
        {"fc/forward/n2h1w1c6k32tanh", 1},
        {"fc/forward/n2h1w1c6k256tanh", 1},
        {"fc/backward/n2h2w2c4k6", 4},
        {"fc/backward_update/n2h2w2c4k6", 4},
        {"fc/backward_update/n2h1w1c6k256", 1},
        // The couplings' paths from x.
        {"conv/forward/n2h16w16c3k5r3s3u1v1p1q1relu", 2},
        {"conv/forward/n2h16w16c5k4r2s2u2v2p0q0relu", 1},
        {"conv/forward/n2h16w16c5k8r4s4u4v4p0q0relu", 1},
        {"conv/forward/n2h8w8c4k4r3s3u1v1p1q1relu", 1},
        {"conv/forward/n2h4w4c8k8r3s3u1v1p1q1relu", 1},
        // The couplings, and the split between the levels.
        {"conv/forward/n2h8w8c8k12r3s3u1v1p1q1relu", 1},
        {"conv/forward/n2h8w8c12k12r1s1u1v1p0q0relu", 1},
        {"conv/forward/n2h8w8c12k8r3s3u1v1p1q1", 1},
        {"conv/forward/n2h4w4c12k16r3s3u1v1p1q1", 1},
        {"conv/forward/n2h8w8c4k8r3s3u1v1p1q1tanh", 1},
        // Backward: x takes no gradient; behind an activation the epilogue is fused.
        {"conv/backward_data/n2h16w16c3k4r2s2u2v2p0q0", 0},
        {"conv/backward_data/n2h8w8c4k4r2s2u2v2p0q0relu", 4},
        {"conv/backward_data/n2h8w8c12k8r3s3u1v1p1q1relu", 1},
        {"conv/backward_data/n2h8w8c8k12r3s3u1v1p1q1", 1},
        {"conv/backward_update/n2h16w16c3k4r2s2u2v2p0q0", 4},
        {"conv/backward_weights/n2h16w16c3k4r2s2u2v2p0q0", 4},
        {"epilogue/backward/n2h8w8c8", 1},     // the coupling network's end
        {"epilogue/backward/n2h8w8c8tanh", 1}, // the split's
        {"epilogue/backward/n2h1w1c6relu", 8}, // FC layers
        // The flow: backward computes actnorm's output again.
        {"actnorm/forward/n2h8w8c8", 2},
        {"actnorm/inverse/n2h8w8c8", 1},
        {"actnorm/backward/n2h8w8c8", 1},
        {"mix/forward/n2h4w4c16", 1},
        {"mix/backward/n2h4w4c16", 1},
        {"coupling/forward/n2h8w8c4", 1},
        {"coupling/inverse/n2h8w8c4", 1},
        {"coupling/backward/n2h4w4c8", 1},
        {"squeeze/forward/n2h16w16c2", 1},
        {"squeeze/forward/n2h8w8c4", 1},
        {"squeeze/inverse/n2h8w8c4", 1},   // of the gradient
        {"squeeze/inverse/n2h16w16c2", 1}, // only sampling
        {"gaussian/forward/n2h8w8c4prior", 1},
        {"gaussian/forward/n2h4w4c16", 1},
        {"gaussian/backward/n2h4w4c16", 1},
        {"gaussian/sample/n2h8w8c4prior", 1},
        {"layer/coupling_forward/n2h8w8c8k12", 1},
        {"layer/features_backward/n2x16y16z3f5h4w4o8", 1},
        {"layer/rotation_inverse/n2h4w4c16", 1},
        {"layer/network_forward/n2x16y16z3d4e6o256", 1},
        {"step/train/cglow-tiny-16b2", 1},
        {"sample/inverse/cglow-tiny-16s3", 1},
    };
    struct gb_catalog catalog = catalog_of(tiny, NULL, GB_CATALOG_ALL, NULL);
    check_counts(&catalog, counts, sizeof counts / sizeof *counts);
    // 12 convolutions a step and the split's: nothing was missed.
    assert_int_equal(count_direction(&catalog, "forward"), 25);
    assert_int_equal(count_direction(&catalog, "backward_data"), 19);
    assert_int_equal(count_direction(&catalog, "backward_update"), 25);
    assert_int_equal(count_direction(&catalog, "backward_weights"), 25);
    gb_catalog_free(&catalog);
}

// Operations and parameters of a step, as a trace finds them and as the model says.
static void compare_step(const struct gb_model_case *models, const struct gb_model_case *m) {
    const struct gb_model_use use = {
        .batch = m->batch, .samples_per_x = 1, .threads = 1, .training = true};
    char filter[GB_PROBLEM];
    snprintf(filter, sizeof filter, "/%sb", m->name);
    struct gb_catalog catalog = catalog_of(models, filter, GB_CATALOG_STEPS, NULL);
    assert_int_equal(catalog.count, 1);
    struct gb_model *model;
    assert_ok(gb_model_create(m->kind, m->config, &use, backend_named("scalar"), &model));
    assert_true(catalog.list->flops > 0 && catalog.list->flops == model->step_flops);
    assert_true(catalog.list->bytes == 24.0 * (double)gb_params_elements(&model->params));
    gb_model_free(model);
    gb_catalog_free(&catalog);
}

static double conv_flops(double pixels, int inputs, int kernel, int outputs) {
    return 2 * pixels * kernel * kernel * inputs * outputs;
}

GB_TEST(test_flops) {
    const struct gb_model_case *const all[] = {tiny, tiny_cnf, tiny_baselines};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (const struct gb_model_case *m = all[i]; m->name; m++)
            compare_step(all[i], m);
    // No tap of a 1x1 convolution is in the padding, and the first one sends no gradient back.
    struct gb_catalog catalog =
        catalog_of(tiny_baselines, "step/train/srcnn-8b2", GB_CATALOG_STEPS, NULL);
    double whole = 2 * 3 * conv_flops(64, 6, 1, 5), flops = catalog.list->flops;
    assert_true(flops > whole &&
                flops < whole + 2 * (2 * conv_flops(64, 3, 9, 6) + 3 * conv_flops(64, 5, 5, 3)));
    gb_catalog_free(&catalog);
}

// Every text selects its own problem, with the same costs and shares.
GB_TEST(test_texts) {
    struct gb_catalog all = catalog_of(tiny, NULL, GB_CATALOG_ALL, NULL);
    for (int i = 0; i < all.count; i++) {
        const struct gb_benchmark *want = &all.list[i];
        struct gb_catalog one = catalog_of(tiny, want->problem, GB_CATALOG_ALL, NULL);
        if (one.count != 1 || strcmp(one.list->problem, want->problem) != 0)
            fail_msg("%s selects %d rows, %s", want->problem, one.count, one.list->problem);
        assert_true(one.list->flops == want->flops && one.list->bytes == want->bytes);
        assert_int_equal(one.list->share_count, 1);
        assert_int_equal(one.list->shares->count, want->shares->count);
        char text[GB_PROBLEM];
        snprintf(text, sizeof text, "%s/%s/", want->operation, want->direction);
        assert_int_equal(strncmp(text, want->problem, strlen(text)), 0);
        gb_catalog_free(&one);
    }
    gb_catalog_free(&all);
}

// A kernel that foreign backends lack is in the list once, as the fallback's.
GB_TEST(test_borrowed_kernels) {
    const int threads[] = {1, 2};
    struct gb_catalog_request request = {.backends = gb_backends(),
                                         .threads = threads,
                                         .thread_count = 2,
                                         .filter = "adam/forward/e12",
                                         .kinds = GB_CATALOG_KERNELS,
                                         .models = tiny};
    const struct gb_backend *borrower = NULL;
    int natives = 0, borrowers = 0;
    for (const struct gb_backend *const *b = gb_backends(); *b; b++) {
        borrower = (*b)->fallback ? *b : borrower;
        *((*b)->fallback ? &borrowers : &natives) += 1;
    }
    struct gb_catalog catalog;
    assert_ok(gb_catalog_make(&request, &catalog));
    assert_int_equal(catalog.count, 2 * natives);
    for (int i = 0; i < catalog.count; i++) {
        bool lends = borrower && catalog.list[i].backend == borrower->fallback;
        assert_null(catalog.list[i].backend->fallback);
        assert_int_equal(catalog.list[i].borrower_count, lends ? borrowers : 0);
    }
    gb_catalog_free(&catalog);
    if (!borrower)
        return;
    request.backends = (const struct gb_backend *const[]){borrower, NULL};
    assert_ok(gb_catalog_make(&request, &catalog));
    assert_int_equal(catalog.count, 2);
    assert_ptr_equal(catalog.list->backend, borrower->fallback);
    assert_ptr_equal(catalog.list->borrowers[0], borrower);
    gb_catalog_free(&catalog);
}

GB_TEST(test_filters) {
    struct gb_catalog catalog =
        catalog_of(tiny, "^(conv|fc)/forward/.*tanh$", GB_CATALOG_ALL, NULL);
    assert_int_equal(catalog.count, 5);
    gb_catalog_free(&catalog);
    // A problem that no model has, whatever the kinds.
    catalog = catalog_of(tiny, "conv/forward/n1h8w8c64k64r3s3u1v1p1q1relu", GB_CATALOG_STEPS, NULL);
    assert_int_equal(catalog.count, 1);
    assert_int_equal(catalog.list->share_count, 0);
    assert_true(catalog.list->flops == 2.0 * 22 * 22 * 64 * 64);
    gb_catalog_free(&catalog);
    static const char *const bad[] = {"conv/forward/(", "no such problem",
                                      "conv/sample/n1h8w8c64k64r3s3u1v1p1q1",
                                      "step/train/cglow-tiny-16b0", "conv/forward/n1h8w8c64k0"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_error(make_catalog(tiny, bad[i], GB_CATALOG_ALL, NULL, &catalog), GB_BAD_INPUT,
                     bad[i]);
        assert_null(catalog.list);
    }
}

// Packing pads weights: more than can be counted are refused, and never reserved as fewer.
GB_TEST(test_sizes) {
    for (const struct gb_backend *const *b = gb_backends(); *b; b++) {
        if (!gb_backend_supported(*b))
            continue;
        struct gb_benchmark benchmark;
        struct gb_arena arena = {0};
        void *planned;
        assert_ok(gb_kernel_benchmark("fc/forward/n8h1024w1024c200k1", &benchmark));
        benchmark.backend = *b;
        benchmark.threads = 1;
        enum gb_status status = benchmark.setup(&benchmark, &arena, &planned);
        if (status == GB_OK) {
            assert_true(arena.used > (size_t)8 * 1024 * 1024 * 200 * sizeof(float));
            benchmark.teardown(planned);
        } else {
            assert_error(status, GB_BAD_INPUT, "packed weights");
        }
        free(benchmark.description);
    }
    struct gb_arena arena = {0};
    gb_arena_floats(&arena, SIZE_MAX);
    gb_arena_floats(&arena, SIZE_MAX - 1000);
    gb_arena_floats(&arena, 2000);
    assert_int_equal(gb_arena_reserve(&arena, "too much"), GB_OUT_OF_MEMORY);
}

// ---- Running them ----

// Sets a benchmark up, runs it twice and checks it.
static enum gb_status check_benchmark(const struct gb_benchmark *benchmark) {
    struct gb_arena arena = {0};
    void *state;
    GB_TRY(benchmark->setup(benchmark, &arena, &state));
    benchmark->teardown(state);
    GB_TRY(gb_arena_reserve(&arena, "operands"));
    enum gb_status status = benchmark->setup(benchmark, &arena, &state);
    if (status == GB_OK) {
        benchmark->run(state);
        benchmark->run(state);
        status = benchmark->check(state);
        if (status == GB_OK)
            status = benchmark->check(state);
        if (benchmark->reorder_seconds)
            assert_true(benchmark->reorder_seconds(state) >= 0);
        benchmark->teardown(state);
    }
    gb_arena_free(&arena);
    return status;
}

static void check_models(const struct gb_model_case *models, const char *filter, unsigned kinds,
                         int threads) {
    for (const struct gb_backend *const *b = gb_backends(); *b; b++) {
        if (!gb_backend_supported(*b))
            continue;
        struct gb_catalog catalog = catalog_of(models, filter, kinds, *b);
        for (int i = 0; i < catalog.count; i++) {
            if (catalog.list[i].pass) // timed in a step or a sampling pass, which is checked
                continue;
            catalog.list[i].threads = threads;
            assert_ok(check_benchmark(&catalog.list[i]));
        }
        gb_catalog_free(&catalog);
    }
}

static void check_all(const char *filter, int threads) {
    check_models(tiny, filter, GB_CATALOG_ALL, threads);
}

GB_TEST(test_cnf_layers) {
    struct gb_catalog catalog = catalog_of(tiny_cnf, NULL, GB_CATALOG_LAYERS, NULL);
    static const struct count counts[] = {
        {"layer/rrdb_forward/n2x4y8z3b1g4f6", 1},
        {"layer/vgg_backward/n2x16y8z3l2f6", 1},
        {"layer/dequantiser_forward/n2h16w8c1f6k7s2additive", 1},
        {"layer/steps_inverse/n2h4w8c12f6k7s2softplus", 1},
        {"layer/feature_coupling_backward/n2h2w4c24f6k7softplus", 2},
        {"layer/feature_coupling_forward/n2h4w2c8f6k7additive", 1}};
    check_counts(&catalog, counts, sizeof counts / sizeof *counts);
    for (int i = 0; i < catalog.count; i++)
        assert_true(catalog.list[i].flops > 0 && catalog.list[i].bytes > 0);
    gb_catalog_free(&catalog);
    check_models(tiny_cnf, NULL, GB_CATALOG_ALL, 2);
}

// The passes that layers are timed in time them, and are checked.
GB_TEST(test_profiled_passes) {
    const struct gb_model_case *const all[] = {tiny, tiny_cnf};
    for (size_t m = 0; m < sizeof all / sizeof *all; m++) {
        struct gb_catalog catalog = catalog_of(all[m], NULL, GB_CATALOG_LAYERS, NULL);
        for (int i = 0; i < catalog.count; i++) {
            const struct gb_benchmark *layer = &catalog.list[i];
            assert_true(layer->pass && !layer->setup && layer->threads == 1);
            struct gb_benchmark pass = *layer->pass;
            pass.backend = layer->backend;
            pass.threads = layer->threads;
            const bool inverse = strstr(layer->direction, "_inverse");
            assert_string_equal(pass.operation, inverse ? "sample" : "step");
            char memory; // a model has its own
            struct gb_arena arena = {.base = &memory};
            void *run;
            assert_ok(pass.setup(&pass, &arena, &run));
            pass.restart_layers(run);
            assert_true(isnan(pass.layer_seconds(run, layer->problem)));
            pass.run(run);
            const double seconds = pass.layer_seconds(run, layer->problem);
            assert_true(seconds > 0 && seconds < 60);
            pass.teardown(run);
        }
        gb_catalog_free(&catalog);
    }
    struct gb_catalog catalog =
        catalog_of(tiny, "layer/coupling_forward/n2h8w8c8k12", GB_CATALOG_STEPS, NULL);
    assert_int_equal(catalog.count, 1);
    struct gb_benchmark pass = *catalog.list->pass;
    pass.backend = catalog.list->backend;
    pass.threads = 2;
    assert_ok(check_benchmark(&pass));
    gb_catalog_free(&catalog);
    catalog =
        catalog_of(tiny, "layer/coupling_forward/n2h8w8c8k12|^adam", GB_CATALOG_KERNELS, NULL);
    for (int i = 0; i < catalog.count; i++)
        assert_string_equal(catalog.list[i].operation, "adam");
    gb_catalog_free(&catalog);
}

// ---- bf16 ----

// The formats of a model's problems, and a pass that is named by its text alone.
GB_TEST(test_bf16) {
    static const struct count counts[] = {
        // Floats enter and leave a chain of convolutions; what a fully connected layer, the flow or
        // a density reads are floats.
        {"conv/forward/n2h16w16c3k4r2s2u2v2p0q0relu_bf16x32", 4},
        {"conv/forward/n2h8w8c4k4r2s2u2v2p0q0relu_bf16", 4},
        {"conv/forward/n2h4w4c4k4r2s2u2v2p0q0relu_bf16y32", 4},
        {"fc/forward/n2h2w2c4k6relu_bf16", 4},
        {"conv/forward/n2h8w8c8k12r3s3u1v1p1q1relu_bf16x32", 1},
        {"conv/forward/n2h8w8c12k12r1s1u1v1p0q0relu_bf16", 1},
        {"conv/forward/n2h8w8c12k8r3s3u1v1p1q1_bf16y32", 1},
        {"conv/forward/n2h8w8c4k8r3s3u1v1p1q1tanh_bf16xy32", 1},
        {"conv/backward_data/n2h8w8c12k8r3s3u1v1p1q1relu_bf16y32", 1},
        {"conv/backward_update/n2h8w8c12k12r1s1u1v1p0q0_bf16", 1},
        {"epilogue/backward/n2h8w8c8_bf16y32", 1},
        {"step/train/cglow-tiny-16b2_bf16", 1},
        {"step/train/cglow-tiny-16b2", 0},
        // What is not multiplied is as in fp32.
        {"conv/forward/n2h8w8c8k12r3s3u1v1p1q1relu", 0},
        {"squeeze/forward/n2h16w16c3", 0},
    };
    const struct gb_backend *best;
    assert_ok(gb_backend_find(NULL, &best));
    best = best->fallback ? best->fallback : best;
    const struct gb_backend *const backends[] = {best, NULL};
    const int threads[] = {2};
    struct gb_catalog_request request = {.backends = backends,
                                         .threads = threads,
                                         .thread_count = 1,
                                         .precision = GB_BF16,
                                         .kinds = GB_CATALOG_ALL,
                                         .models = tiny};
    struct gb_catalog catalog;
    assert_ok(gb_catalog_make(&request, &catalog));
    check_counts(&catalog, counts, sizeof counts / sizeof *counts);
    gb_catalog_free(&catalog);
    request.precision = GB_F32;
    const char *const filters[] = {"step/train/cglow-tiny-16b2_bf16",
                                   "sample/inverse/cglow-tiny-16s3_bf16"};
    for (int i = 0; i < 2; i++) {
        request.filter = filters[i];
        assert_ok(gb_catalog_make(&request, &catalog));
        assert_int_equal(catalog.count, 1);
        assert_string_equal(catalog.list->problem, filters[i]);
        assert_ok(check_benchmark(catalog.list));
        gb_catalog_free(&catalog);
    }
}

GB_TEST(test_checks_pass) {
    check_models(tiny_baselines, NULL, GB_CATALOG_ALL, 1);
    check_models(tiny_baselines, "^(step|sample)/", GB_CATALOG_ALL, 2);
    check_all(NULL, 1);
    check_all(NULL, 2);
    // Enough to be shared among threads, and more than the check takes in full.
    check_all("conv/forward/n2h32w32c64k256r3s3u1v1p1q1relu", 2);
    check_all("conv/backward_update/n2h32w32c64k256r3s3u1v1p1q1", 2);
    check_all("coupling/forward/n2h64w64c12", 2);
    check_all("coupling/backward/n2h8w8c6softplus", 2);
    check_all("coupling/forward/n2h8w8c6additive", 2);
    check_all("gaussian/backward/n2h8w8c6softplus", 2);
    check_all("conv/backward_data/n1h9w7c5k3r3s3u2v2p1q1leaky", 2);
}

// ---- Wrong kernels ----

static float *last_of(const struct gb_tensor *t) {
    return gb_at(t, t->n - 1, t->h - 1, t->w - 1) + t->c - 1;
}

// A kernel as it is described, which then changes one of its operands.
static const struct gb_operation *described;
static int changed;
static bool is_there; // the problem has this operand

static void run_and_change(const struct gb_call *call) {
    const struct gb_kernel *kernel = &described->kernels[call->direction];
    const struct gb_tensor *t = &call->operand[changed];
    kernel->call(call);
    is_there = t->data;
    if (!is_there)
        return;
    if (t->type == GB_F64)
        *(double *)t->data += 0.5;
    else if (kernel->operands[changed].layout == GB_PACKED)
        *(float *)t->data += 0.5f; // the last may be padding
    else
        *last_of(t) += 0.5f;
}

// The benchmark of a kernel passes its check, unless any of its results is changed.
static void check_results(const struct gb_operation *operation, const char *text) {
    struct gb_benchmark benchmark;
    assert_ok(gb_kernel_benchmark(text, &benchmark));
    benchmark.backend = backend_named("scalar");
    benchmark.threads = 1;
    assert_ok(check_benchmark(&benchmark));
    struct gb_kernel_description *description = benchmark.description;
    struct gb_operation wrong = *operation;
    struct gb_kernel *kernel = &wrong.kernels[description->direction];
    kernel->call = run_and_change;
    description->operation = &wrong;
    described = operation;
    for (changed = 0; kernel->operands[changed].name; changed++) {
        if (kernel->operands[changed].role == GB_IN)
            continue;
        const enum gb_status status = check_benchmark(&benchmark);
        if (is_there && (status != GB_CHECK_FAILED || !strstr(gb_error_message(), text)))
            fail_msg("%s passes with a wrong %s", text, kernel->operands[changed].name);
    }
    free(benchmark.description);
}

// Every operation in every direction can be timed, at the second of its edges that allow it.
GB_TEST(test_every_operation) {
    for (const struct gb_operation *const *o = gb_operations(); *o; o++)
        for (int direction = 0; direction < GB_DIRECTIONS; direction++) {
            if (!(*o)->kernels[direction].entry)
                continue;
            const char *name = gb_direction_name((enum gb_direction)direction);
            char text[GB_PROBLEM];
            int timed = 0;
            for (const char *const *edge = (*o)->edges; *edge && timed < 2; edge++) {
                struct gb_benchmark benchmark;
                snprintf(text, sizeof text, "%s/%s/%s", (*o)->name, name, *edge);
                if (gb_kernel_benchmark(text, &benchmark) != GB_OK)
                    continue;
                free(benchmark.description);
                timed++;
            }
            if (!timed)
                fail_msg("%s/%s", (*o)->name, name);
            check_results(*o, text);
            check_all(text, 2);
        }
}

// Wrong kernels in passes, and where only a sample is checked.
static const struct gb_backend *right;

static void wrong_conv_forward(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                               const struct gb_tensor *x, const void *packed,
                               const struct gb_conv_epilogue *epilogue, const struct gb_tensor *y) {
    right->conv_forward(plan, exec, x, packed, epilogue, y);
    *last_of(y) += 0.5f;
}

static void wrong_conv_backward_data(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                     const struct gb_tensor *dy, const void *packed,
                                     const struct gb_conv_input_epilogue *epilogue,
                                     const struct gb_tensor *dx) {
    right->conv_backward_data(plan, exec, dy, packed, epilogue, dx);
    *last_of(dx) += 0.5f;
}

// Forgets the last image.
static void wrong_conv_backward_weights(const struct gb_conv_plan *plan, const struct gb_exec *exec,
                                        const struct gb_tensor *x, const struct gb_tensor *dy,
                                        float *d_packed, const struct gb_adam_target *update) {
    float *zeros = calloc(gb_elements(dy), sizeof *zeros);
    struct gb_tensor none = gb_dense(zeros, dy->n, dy->h, dy->w, dy->c);
    for (int n = 0; n < dy->n - 1; n++)
        for (int i = 0; i < dy->h; i++)
            for (int j = 0; j < dy->w; j++)
                memcpy(gb_at(&none, n, i, j), gb_at(dy, n, i, j), (size_t)dy->c * sizeof(float));
    right->conv_backward_weights(plan, exec, x, &none, d_packed, update);
    free(zeros);
}

static void wrong_coupling_forward(const struct gb_exec *exec, enum gb_coupling_form form,
                                   const struct gb_tensor *v, const struct gb_tensor *raw,
                                   const struct gb_tensor *u, double *log_det) {
    right->coupling_forward(exec, form, v, raw, u, log_det);
    log_det[0] += 0.5;
}

static const char train[] = "step/train/cglow-tiny-16b2";
static const char sample[] = "sample/inverse/cglow-tiny-16s3";

static void expect_caught(const struct gb_backend *wrong, const char *problem) {
    struct gb_catalog catalog = catalog_of(tiny, problem, GB_CATALOG_ALL, wrong);
    assert_int_equal(catalog.count, 1);
    enum gb_status status = check_benchmark(catalog.list);
    if (status != GB_CHECK_FAILED || !strstr(gb_error_message(), problem))
        fail_msg("%s passes with a wrong kernel", problem);
    gb_catalog_free(&catalog);
}

GB_TEST(test_wrong_kernels) {
    assert_ok(gb_backend_find("scalar", &right));
    struct gb_backend wrong = *right;
    wrong.name = "wrong";
    wrong.conv_forward = wrong_conv_forward;
    expect_caught(&wrong, "conv/forward/n2h32w32c64k256r3s3u1v1p1q1");
    expect_caught(&wrong, train);
    expect_caught(&wrong, sample);
    wrong = *right;
    wrong.conv_backward_data = wrong_conv_backward_data;
    expect_caught(&wrong, train);
    wrong = *right;
    wrong.conv_backward_weights = wrong_conv_backward_weights;
    expect_caught(&wrong, "conv/backward_weights/n2h8w8c8k12r3s3u1v1p1q1");
    expect_caught(&wrong, "conv/backward_update/n2h8w8c8k12r3s3u1v1p1q1");
    expect_caught(&wrong, train);
    wrong = *right;
    wrong.coupling_forward = wrong_coupling_forward;
    expect_caught(&wrong, train);
}

// Passes are compared with the kernels of another set.
GB_TEST(test_pass_checks) {
    for (const struct gb_backend *const *b = gb_backends(); *b; b++) {
        if (!gb_backend_supported(*b))
            continue;
        const struct gb_backend *other = gb_backend_other(*b);
        assert_null(other->fallback);
        assert_true(other != (*b)->fallback && (other != *b || strcmp(other->name, "scalar") == 0));
        for (int i = 0; i < 2; i++) {
            struct gb_catalog catalog = catalog_of(tiny, i ? sample : train, GB_CATALOG_ALL, *b);
            assert_ok(check_benchmark(catalog.list));
            gb_catalog_free(&catalog);
        }
        right = *b;
        struct gb_backend wrong = **b;
        wrong.name = "wrong";
        wrong.conv_backward_weights = wrong_conv_backward_weights;
        expect_caught(&wrong, train);
        wrong.conv_backward_weights = right->conv_backward_weights;
        wrong.conv_forward = wrong_conv_forward;
        expect_caught(&wrong, train);
        expect_caught(&wrong, sample);
    }
}
