// SPDX-License-Identifier: MIT
// Models against numbers that the papers' authors' code computed in double precision, where these
// files are present (tests/support/real_data.h). A file (safetensors) describes a model in its
// metadata and holds its weights as "param.NAME", NAME being the authors' module path, an input,
// and what the model makes of it: likelihoods, latents, gradients, an inverse. Every backend that
// this CPU supports is run on it.
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flows/files/metadata.h"
#include "flows/files/safetensors.h"
#include "tests/flows/flow_check.h"
#include "tests/support/real_data.h"

// Largest relative L2 errors; single precision by the authors' code is within 3e-7, 3e-7, 1e-6,
// 5e-6.
static const double bits_bound = 1e-6, z_bound = 1e-5, inverse_bound = 1e-5, gradient_bound = 1e-4;

struct oracle {
    struct gb_safetensors file;
    bool *used; // for each tensor of the file
    const struct family *family;
    struct flow_case of;
    int bins;
};

// How a model's file is written.
struct family {
    const struct gb_model_kind *kind; // its name is in the metadata
    void (*read)(struct oracle *oracle);
    void (*name)(const union gb_model_config *config, const char *ours, char theirs[static 96]);
    // Tensors of the file: the image; the target, and what is to be added to it or NULL; the noise
    // of the top, and the first number of the splits' "sample.eps.<i>", which begin with the
    // deepest level's; the sample; the temperature, or NULL for 1.
    const char *x, *y, *y_noise, *top_noise, *sample, *temperature;
    int first_eps;
    bool input_gradients;    // "grad.x" and "grad.v" are there
    const char *const *idle; // parameters that the authors' code does not use; ended by NULL
};

// ---- Names: from this project's parameters to the authors' module paths ----

struct rename {
    const char *ours, *theirs;
};

// `path` and `name`, whose beginning is replaced by the first entry of the list that fits.
static void rename_to(char theirs[static 96], const char *path, const struct rename *list,
                      const char *name) {
    while (strncmp(name, list->ours, strlen(list->ours)) != 0)
        list++;
    snprintf(theirs, 96, "%s%s%s", path, list->theirs, name + strlen(list->ours));
}

static const struct rename cglow_renames[] = {
    {"actnorm.conv.0.", "actnorm.x_Con.0."},
    {"actnorm.conv.1.", "actnorm.x_Con.2."},
    {"actnorm.conv.2.", "actnorm.x_Con.4."},
    {"actnorm.fc.0.", "actnorm.x_Linear.0."},
    {"actnorm.fc.1.", "actnorm.x_Linear.2."},
    {"actnorm.fc.2.", "actnorm.x_Linear.4."},
    {"mix.conv.0.", "invconv.x_Con.0."},
    {"mix.conv.1.", "invconv.x_Con.2."},
    {"mix.conv.2.", "invconv.x_Con.4."},
    {"mix.fc.0.", "invconv.x_Linear.0."},
    {"mix.fc.1.", "invconv.x_Linear.2."},
    {"mix.fc.2.", "invconv.x_Linear.4."},
    {"coupling.features.0.", "affine.resize_x.0."},
    {"coupling.features.1.", "affine.resize_x.2."},
    {"coupling.features.2.", "affine.resize_x.4."},
    {"coupling.net.0.bias", "affine.f.0.actnorm.bias"},
    {"coupling.net.0.log_scale", "affine.f.0.actnorm.logs"},
    {"coupling.net.0.", "affine.f.0."},
    {"coupling.net.1.bias", "affine.f.2.actnorm.bias"},
    {"coupling.net.1.log_scale", "affine.f.2.actnorm.logs"},
    {"coupling.net.1.", "affine.f.2."},
    {"coupling.net.2.new_bias", "affine.f.4.newbias"},
    {"coupling.net.2.log_scale", "affine.f.4.logs"},
    {"coupling.net.2.", "affine.f.4."},
    {"split.", "conv.0."},
    {"", ""},
};

// A level of theirs is a squeeze, the steps, and a split, numbered through.
static void cglow_name(const union gb_model_config *config, const char *ours,
                       char theirs[static 96]) {
    int level = 0, step = config->cglow.steps, used = 0;
    char path[32];
    sscanf(ours, "levels.%d.%n", &level, &used);
    sscanf(ours, "levels.%d.steps.%d.%n", &level, &step, &used);
    snprintf(path, sizeof path, "flow.layers.%d.", level * (config->cglow.steps + 2) + 1 + step);
    rename_to(theirs, path, cglow_renames, ours + used);
}

static const struct rename cnf_renames[] = {
    {"actnorm.bias", "actnorm.b"},
    {"actnorm.log_scale", "actnorm.logs"},
    {"mix.weight", "invconv.weight"},
    {"coupling.net.0.", "conditionalCoupling.Net.Net.0."},
    {"coupling.net.1.", "conditionalCoupling.Net.Net.2."},
    {"coupling.net.2.log_scale", "conditionalCoupling.Net.Net.4.logs"},
    {"coupling.net.2.", "conditionalCoupling.Net.Net.4."},
    {"prior.log_scale", "conv.logs"},
    {"prior.", "conv."},
    {"", ""},
};

static const struct rename cnf_feature_renames[] = {
    {"features.first.", "conv_first."},
    {"features.trunk.", "trunk_conv."},
    {"features.up.", "upconv1."},
    {"", ""},
};

// A level of theirs is a squeeze, the steps, and a prior.
static void cnf_name(const union gb_model_config *config, const char *ours,
                     char theirs[static 96]) {
    int level = 0, step = config->cnf.steps, used = 0, block, dense, conv;
    char path[40];
    if (sscanf(ours, "features.levels.%d.%n", &level, &used) == 1) {
        snprintf(theirs, 96, "flow.downsample_convs.%d.%s", level, ours + used);
    } else if (sscanf(ours, "features.blocks.%d.dense.%d.conv.%d.%n", &block, &dense, &conv,
                      &used) == 3) {
        snprintf(theirs, 96, "flow.lrNet.RRDBNet.RRDB_trunk.%d.RDB%d.conv%d.%s", block, dense + 1,
                 conv + 1, ours + used);
    } else if (sscanf(ours, "levels.%d.%n", &level, &used) == 1) {
        sscanf(ours, "levels.%d.steps.%d.%n", &level, &step, &used);
        snprintf(path, sizeof path, "flow.level_modules.%d.%d.", level, step + 1);
        rename_to(theirs, path, cnf_renames, ours + used);
    } else {
        rename_to(theirs, "flow.lrNet.RRDBNet.", cnf_feature_renames, ours);
    }
}

// ---- Tensors of the file ----

// The elements of a tensor, of which there must be `count`, all finite (a ReLU would hide a NaN),
// as doubles; test_free them.
static double *stored(struct oracle *oracle, const char *name, size_t count) {
    const struct gb_stored_tensor *tensor = gb_safetensors_find(&oracle->file, name);
    if (!tensor || tensor->elements != count)
        fail_msg("%s: there is no tensor '%s' of %zu elements", oracle->file.path, name, count);
    float *floats = test_malloc(count * sizeof *floats);
    double *values = test_malloc(count * sizeof *values);
    gb_stored_floats(tensor, floats);
    for (size_t i = 0; i < count; i++) {
        assert_true(isfinite(floats[i]));
        values[i] = (double)floats[i];
    }
    test_free(floats);
    oracle->used[tensor - oracle->file.list] = true;
    return values;
}

// A tensor of the view's shape, image after image in PyTorch's order.
static double *stored_images(struct oracle *oracle, const char *name, const struct gb_tensor *t) {
    const struct gb_stored_tensor *tensor = gb_safetensors_find(&oracle->file, name);
    const size_t shape[] = {(size_t)t->n, (size_t)t->c, (size_t)t->h, (size_t)t->w};
    if (!tensor || tensor->dims != 4 || memcmp(tensor->shape, shape, sizeof shape) != 0)
        fail_msg("%s: there is no tensor '%s' of %d x %d x %d x %d", oracle->file.path, name, t->n,
                 t->c, t->h, t->w);
    return stored(oracle, name, gb_elements(t));
}

static void write_images(struct oracle *oracle, const char *name, const struct gb_tensor *t) {
    double *values = stored_images(oracle, name, t);
    for (int n = 0; n < t->n; n++)
        flow_write(t, n, values + (size_t)n * gb_elements(t) / (size_t)t->n);
    test_free(values);
}

static double error_of(struct oracle *oracle, const char *name, size_t count, const double *found) {
    double *expected = stored(oracle, name, count);
    const double error = flow_relative_error(count, found, expected);
    test_free(expected);
    return error;
}

static double error_of_images(struct oracle *oracle, const char *name, const struct gb_tensor *t) {
    const size_t count = gb_elements(t);
    double *expected = stored_images(oracle, name, t), *found = test_malloc(count * sizeof *found);
    for (int n = 0; n < t->n; n++)
        flow_read(t, n, found + (size_t)n * count / (size_t)t->n);
    const double error = flow_relative_error(count, found, expected);
    test_free(expected);
    test_free(found);
    return error;
}

// "param.NAME" or "grad.param.NAME" for a parameter of the model.
static void name_tensor(const struct oracle *oracle, const char *prefix,
                        const struct gb_param *param, char name[static 128]) {
    char theirs[96];
    oracle->family->name(&oracle->of.config, param->name, theirs);
    snprintf(name, 128, "%s%s", prefix, theirs);
}

// ---- One backend ----

static void import_weights(struct oracle *oracle, struct gb_params *params) {
    for (int i = 0; i < params->count; i++) {
        char name[128];
        name_tensor(oracle, "param.", &params->list[i], name);
        double *values = stored(oracle, name, gb_param_elements(&params->list[i]));
        flow_import_param(params, i, values);
        test_free(values);
    }
}

static void read_inputs(struct oracle *oracle, struct flow_scene *scene) {
    const struct family *family = oracle->family;
    write_images(oracle, family->x, &scene->x.tensor);
    write_images(oracle, family->y, &scene->y.tensor);
    if (!family->y_noise)
        return;
    write_images(oracle, family->y_noise, &scene->noise.tensor);
    for (size_t i = 0; i < scene->y.floats; i++)
        scene->y.memory[i] += scene->noise.memory[i];
}

// Sampling meets the top first, then the splits, the deepest first. test_free level[0].data.
static struct gb_latents read_noise(struct oracle *oracle, const struct flow_scene *scene,
                                    const struct gb_model *model) {
    struct gb_latents noise = flow_noise_new(model, scene->y.values);
    const int top = noise.count - 1;
    write_images(oracle, oracle->family->top_noise, &noise.level[top]);
    for (int i = 0; i < top; i++) {
        char name[32];
        snprintf(name, sizeof name, "sample.eps.%d", oracle->family->first_eps + i);
        write_images(oracle, name, &noise.level[top - 1 - i]);
    }
    return noise;
}

static double inverse_error(struct oracle *oracle, const struct flow_scene *scene,
                            struct gb_model *model) {
    struct gb_latents noise = read_noise(oracle, scene, model);
    double temperature = 1;
    if (oracle->family->temperature) {
        double *value = stored(oracle, oracle->family->temperature, 1);
        temperature = *value;
        test_free(value);
    }
    assert_ok(model->kind->condition(model, &scene->x.tensor));
    model->kind->inverse(model, &noise, (float)temperature, &scene->noise.tensor);
    test_free(noise.level[0].data);
    return error_of_images(oracle, oracle->family->sample, &scene->noise.tensor);
}

// The largest of all gradients' errors, of the batch mean of bits per dimension.
static double gradient_error(struct oracle *oracle, const struct flow_scene *scene,
                             struct gb_model *model, char worst[static 128]) {
    float d_log_likelihood[64];
    const int batch = oracle->of.batch;
    const struct gb_params *params = &model->params;
    for (int n = 0; n < batch; n++)
        d_log_likelihood[n] = (float)(-1 / (log(2) * (double)gb_elements(&scene->y.tensor)));
    struct flow_images dx = flow_images_new(batch, scene->x.shape, FLOW_DENSE, NULL);
    struct flow_images dy = flow_images_new(batch, scene->y.shape, FLOW_DENSE, NULL);
    model->kind->backward(model, d_log_likelihood, NULL, &dx.tensor, &dy.tensor);
    double largest = 0;
    strcpy(worst, "grad.x");
    if (oracle->family->input_gradients)
        largest = fmax(error_of_images(oracle, "grad.x", &dx.tensor),
                       error_of_images(oracle, "grad.v", &dy.tensor));
    for (int i = 0; i < params->count; i++) {
        char name[128];
        name_tensor(oracle, "grad.param.", &params->list[i], name);
        double *found = flow_export_block(params, i, params->gradient);
        const double error = error_of(oracle, name, gb_param_elements(&params->list[i]), found);
        test_free(found);
        assert_false(isnan(error));
        if (error > largest) {
            largest = error;
            strcpy(worst, name);
        }
    }
    flow_images_free(&dx);
    flow_images_free(&dy);
    return largest;
}

static bool agrees(struct oracle *oracle, const struct gb_backend *backend) {
    const struct gb_model_use use = {.threads = 2, .gradients = true, .input_gradient = true};
    struct flow_scene scene = flow_scene_new(&oracle->of, FLOW_DENSE, 1);
    struct gb_model *model = flow_model_new(&scene, use, backend);
    import_weights(oracle, &model->params);
    read_inputs(oracle, &scene);
    const double inverse = inverse_error(oracle, &scene, model);

    const size_t dimensions = reference_elements(scene.y.shape);
    double bits[64];
    struct gb_latents latents;
    assert_ok(model->kind->forward(model, &scene.y.tensor, NULL, bits, &latents));
    // The authors take the noise to fill a bin of 1/bins, whatever the target's levels.
    for (int n = 0; n < oracle->of.batch; n++)
        bits[n] = gb_bits_per_dimension(bits[n], dimensions) + log2(oracle->bins);
    const double bit_error = error_of(oracle, "bits_per_dimension", (size_t)oracle->of.batch, bits);
    const double z = error_of_images(oracle, "z", &latents.level[latents.count - 1]);
    char worst[128];
    const double gradients = gradient_error(oracle, &scene, model, worst);
    gb_model_free(model);
    flow_scene_free(&scene);
    print_message(
        "           %s, %s: bits per dimension %.1e, z %.1e, inverse %.1e, gradients %.1e "
        "(%s)\n",
        strrchr(oracle->file.path, '/') + 1, backend->name, bit_error, z, inverse, gradients,
        worst);
    return bit_error <= bits_bound && z <= z_bound && inverse <= inverse_bound &&
           gradients <= gradient_bound;
}

// ---- Models ----

static int number(const struct oracle *oracle, const char *key) {
    uint64_t value;
    assert_ok(gb_metadata_integer(gb_safetensors_metadata(&oracle->file), oracle->file.path, key, 1,
                                  1 << 16, &value));
    return (int)value;
}

static void cglow_read(struct oracle *oracle) {
    const int h = number(oracle, "height"), w = number(oracle, "width");
    oracle->of.config.cglow = (struct gb_cglow_config){
        .sizes = {h, w, number(oracle, "x_channels"), h, w, number(oracle, "y_channels")},
        .levels = number(oracle, "levels"),
        .steps = number(oracle, "steps"),
        .n_c = number(oracle, "n_c"),
        .n_w = number(oracle, "n_w"),
        .coupling_channels = number(oracle, "coupling_channels"),
        .feature_channels = 16};
}

static void cnf_read(struct oracle *oracle) {
    const int patch = number(oracle, "patch"), small = patch / number(oracle, "scale");
    oracle->of.config.cnf =
        (struct gb_cnf_config){.sizes = {small, small, 3, patch, patch, 3},
                               .kind = GB_CNF_SUPER_RESOLUTION,
                               .levels = number(oracle, "levels"),
                               .steps = number(oracle, "steps"),
                               .condition_channels = number(oracle, "condition_channels"),
                               .coupling_channels = number(oracle, "coupling_channels"),
                               .rrdb_blocks = number(oracle, "rrdb_blocks"),
                               .growth = number(oracle, "growth")};
}

// The top prior's mean and log deviation.
static const char *const cglow_idle[] = {"param.new_mean", "param.new_logs", NULL};
// What follows the features that the flow takes.
#define RRDB "param.flow.lrNet.RRDBNet."
static const char *const cnf_idle[] = {RRDB "HRconv.weight",
                                       RRDB "HRconv.bias",
                                       RRDB "conv_last.weight",
                                       RRDB "conv_last.bias",
                                       RRDB "upconv2.weight",
                                       RRDB "upconv2.bias",
                                       NULL};
#undef RRDB

static const struct family families[] = {{.kind = &gb_cglow_model,
                                          .read = cglow_read,
                                          .name = cglow_name,
                                          .x = "x",
                                          .y = "v",
                                          .top_noise = "sample.z_top",
                                          .sample = "sample.v",
                                          .input_gradients = true,
                                          .idle = cglow_idle},
                                         {.kind = &gb_cnf_model,
                                          .read = cnf_read,
                                          .name = cnf_name,
                                          .x = "x_low",
                                          .y = "y",
                                          .y_noise = "dequantisation_noise",
                                          .top_noise = "sample.eps.0",
                                          .first_eps = 1,
                                          .sample = "sample.y",
                                          .temperature = "sample.temperature",
                                          .idle = cnf_idle}};

// ---- One file ----

static void read_configuration(struct oracle *oracle) {
    const char *path = oracle->file.path, *model;
    assert_ok(gb_metadata_string(gb_safetensors_metadata(&oracle->file), path, "model", &model));
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strcmp(model, gb_model_name(families[i].kind)) == 0)
            oracle->family = &families[i];
    if (!oracle->family)
        fail_msg("%s: model '%s' is not supported", path, model);
    oracle->bins = number(oracle, "bins");
    oracle->of = (struct flow_case){.kind = oracle->family->kind, .batch = number(oracle, "batch")};
    assert_in_range(oracle->of.batch, 1, 64);
    oracle->family->read(oracle);
}

// A tensor that was never compared would be a weight or a gradient that the model lacks.
static void check_all_used(const struct oracle *oracle) {
    for (size_t i = 0; i < oracle->file.count; i++) {
        const char *const *idle = oracle->family->idle;
        while (*idle && strcmp(*idle, oracle->file.list[i].name) != 0)
            idle++;
        if (!oracle->used[i] && !*idle)
            fail_msg("%s: tensor '%s' has no counterpart in the model", oracle->file.path,
                     oracle->file.list[i].name);
    }
}

// The number of backends that differ.
static int check_file(const char *path) {
    struct oracle oracle = {0};
    int wrong = 0;
    assert_ok(gb_safetensors_open(&oracle.file, path));
    oracle.used = test_calloc(oracle.file.count + 1, sizeof *oracle.used);
    read_configuration(&oracle);
    for (const struct gb_backend *b = NULL; (b = flow_next_backend(b));)
        wrong += !agrees(&oracle, b);
    check_all_used(&oracle);
    test_free(oracle.used);
    gb_safetensors_close(&oracle.file);
    return wrong;
}

GB_TEST(models_agree_with_the_authors_code) {
    const char *directory = gb_shared_oracle(".");
    char pattern[4096];
    glob_t found;
    int wrong = 0;
    if (!directory)
        skip();
    snprintf(pattern, sizeof pattern, "%s/*.safetensors", directory);
    if (glob(pattern, 0, NULL, &found) != 0)
        skip();
    for (size_t i = 0; i < found.gl_pathc; i++)
        wrong += check_file(found.gl_pathv[i]);
    globfree(&found);
    if (wrong)
        fail_msg("%d results differ from the authors'", wrong);
}
