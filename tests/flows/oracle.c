// SPDX-License-Identifier: MIT
// Holds models to numbers that the papers' authors' code computed in double precision:
//
//   oracle [FILE...]
//
// A file (safetensors) describes a model in its metadata and holds its weights as "param.NAME",
// NAME being the authors' module path, an input, and what the model makes of it: likelihoods,
// latents, gradients, an inverse. Every native backend that this CPU supports is run on it. Without
// arguments, those that are at hand (tests/support/real_data.h). Exit code: 0 all agree, 1 one does not,
// 2 a file is unusable, 77 there are no files.
#include <glob.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flows/files/metadata.h"
#include "flows/files/safetensors.h"
#include "flows/models/cglow.h"
#include "flows/models/cnf.h"
#include "flows/models/model.h"
#include "tests/support/real_data.h"

static const char checking[] = "check oracle";

enum { THREADS = 2, NO_FILES = 77 };

// Largest relative L2 errors; single precision by the authors' code is within 3e-7, 3e-7, 1e-6,
// 5e-6.
static const double bits_bound = 1e-6, z_bound = 1e-5, inverse_bound = 1e-5, gradient_bound = 1e-4;

struct oracle {
    struct gb_safetensors file;
    bool *used; // for each tensor of the file
    const struct family *family;
    union {
        struct gb_cglow_config cglow;
        struct gb_cnf_config cnf;
    } config;
    int batch, bins;
};

// How a model's file is written.
struct family {
    const struct gb_model_kind *kind; // its name is in the metadata
    enum gb_status (*read)(struct oracle *oracle);
    // Tensors of the file: the image; the target, and what is to be added to it or NULL; the noise
    // of the top, and the first number of the splits' "sample.eps.<i>", which begin with the
    // deepest level's; the sample; the temperature, or NULL for 1.
    const char *x, *y, *y_noise, *top_noise, *sample, *temperature;
    int first_eps;
    bool input_gradients;    // "grad.x" and "grad.v" are there
    const char *const *idle; // parameters that the authors' code does not use; ended by NULL
};

struct errors {
    double bits, z, inverse, gradient;
    char worst_gradient[128];
};

// ---- Tensors of the file ----

static bool all_finite(const float *elements, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!isfinite(elements[i]))
            return false;
    return true;
}

// The elements of a tensor, of which there must be `count`, all finite (a ReLU would hide a NaN).
// The caller's to free.
static enum gb_status fetch(struct oracle *oracle, const char *name, size_t count,
                            float **elements) {
    const char *path = oracle->file.path;
    const struct gb_stored_tensor *tensor = gb_safetensors_find(&oracle->file, name);
    if (!tensor)
        return gb_fail(GB_CHECK_FAILED, checking, path, "there is no tensor '%s'", name);
    if (tensor->elements != count)
        return gb_fail(GB_CHECK_FAILED, checking, path,
                       "tensor '%s' has %zu elements, the model's has %zu", name, tensor->elements,
                       count);
    *elements = malloc(count * sizeof **elements);
    if (!*elements)
        return gb_fail(GB_OUT_OF_MEMORY, checking, path, "tensor '%s': out of memory", name);
    gb_stored_floats(tensor, *elements);
    if (!all_finite(*elements, count)) {
        free(*elements);
        return gb_fail(GB_CHECK_FAILED, checking, path,
                       "tensor '%s' has a value that is not finite", name);
    }
    oracle->used[tensor - oracle->file.list] = true;
    return GB_OK;
}

static enum gb_status check_shape(const struct oracle *oracle, const char *name,
                                  const struct gb_tensor *shape) {
    const struct gb_stored_tensor *tensor = gb_safetensors_find(&oracle->file, name);
    const int wanted[] = {shape->n, shape->c, shape->h, shape->w};
    bool same = tensor && tensor->dims == 4;
    for (int i = 0; i < 4; i++)
        same = same && tensor->shape[i] == (size_t)wanted[i];
    if (!same)
        return gb_fail(GB_BAD_INPUT, checking, oracle->file.path,
                       "there is no tensor '%s' of %d x %d x %d x %d", name, wanted[0], wanted[1],
                       wanted[2], wanted[3]);
    return GB_OK;
}

static void copy_from_nchw(const float *nchw, const struct gb_tensor *t) {
    for (int n = 0; n < t->n; n++)
        for (int c = 0; c < t->c; c++)
            for (int y = 0; y < t->h; y++)
                for (int x = 0; x < t->w; x++)
                    gb_at(t, n, y, x)[c] = *nchw++;
}

static void copy_to_nchw(const struct gb_tensor *t, float *nchw) {
    for (int n = 0; n < t->n; n++)
        for (int c = 0; c < t->c; c++)
            for (int y = 0; y < t->h; y++)
                for (int x = 0; x < t->w; x++)
                    *nchw++ = gb_at(t, n, y, x)[c];
}

// Gives the dense view `images` memory, the caller's to free, and fills it from the file.
static enum gb_status fetch_images(struct oracle *oracle, const char *name,
                                   struct gb_tensor *images) {
    GB_TRY(check_shape(oracle, name, images));
    float *nchw;
    GB_TRY(fetch(oracle, name, gb_elements(images), &nchw));
    images->data = malloc(gb_elements(images) * sizeof *nchw);
    if (images->data)
        copy_from_nchw(nchw, images);
    free(nchw);
    return images->data ? GB_OK : gb_no_memory(checking, oracle->file.path);
}

// ---- Comparison ----

// NaN where `found` holds one.
static double relative_error(const float *found, const float *expected, size_t count) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        double d = (double)found[i] - expected[i];
        difference += d * d;
        norm += (double)expected[i] * expected[i];
    }
    return difference == 0 ? 0 : sqrt(difference / norm);
}

static enum gb_status compare(struct oracle *oracle, const char *name, const float *found,
                              size_t count, double *error) {
    float *expected;
    GB_TRY(fetch(oracle, name, count, &expected));
    *error = relative_error(found, expected, count);
    free(expected);
    return GB_OK;
}

static enum gb_status compare_images(struct oracle *oracle, const char *name,
                                     const struct gb_tensor *found, double *error) {
    GB_TRY(check_shape(oracle, name, found));
    float *nchw = malloc(gb_elements(found) * sizeof *nchw);
    if (!nchw)
        return gb_no_memory(checking, oracle->file.path);
    copy_to_nchw(found, nchw);
    enum gb_status status = compare(oracle, name, nchw, gb_elements(found), error);
    free(nchw);
    return status;
}

static void note_gradient(struct errors *errors, const char *name, double error) {
    if (error > errors->gradient || (isnan(error) && !isnan(errors->gradient))) {
        errors->gradient = error;
        snprintf(errors->worst_gradient, sizeof errors->worst_gradient, "%s", name);
    }
}

// ---- One backend ----

// Everything that a run needs memory for.
struct run {
    struct oracle *oracle;
    struct gb_model *model;
    struct gb_tensor x, y, dx, dy, sample;
    struct gb_latents noise;
    float temperature;
    double *log_likelihood;
    float *bits, *d_log_likelihood;
};

static void free_run(struct run *run) {
    gb_model_free(run->model);
    struct gb_tensor *const images[] = {&run->x, &run->y, &run->dx, &run->dy, &run->sample};
    for (size_t i = 0; i < sizeof images / sizeof *images; i++)
        free(images[i]->data);
    for (int l = 0; l < run->noise.count; l++)
        free(run->noise.level[l].data);
    free(run->log_likelihood);
    free(run->bits);
    free(run->d_log_likelihood);
}

// "param.NAME" or "grad.param.NAME" for a parameter of the model.
static enum gb_status name_tensor(const struct run *run, const char *prefix,
                                  const struct gb_param *param, char name[static 128]) {
    char published[96];
    run->oracle->family->kind->published_name(&run->oracle->config, param->name, published);
    if (!*published)
        return gb_fail(GB_CHECK_FAILED, checking, run->oracle->file.path,
                       "parameter '%s' has no published name", param->name);
    snprintf(name, 128, "%s%s", prefix, published);
    return GB_OK;
}

static enum gb_status import_weights(struct run *run) {
    struct gb_params *params = &run->model->params;
    for (int i = 0; i < params->count; i++) {
        char name[128];
        float *elements;
        GB_TRY(name_tensor(run, "param.", &params->list[i], name));
        GB_TRY(fetch(run->oracle, name, gb_param_elements(&params->list[i]), &elements));
        enum gb_status status = gb_params_import(params, i, elements, params->value);
        free(elements);
        GB_TRY(status);
    }
    return GB_OK;
}

static enum gb_status allocate(struct run *run) {
    const struct oracle *oracle = run->oracle;
    size_t images = (size_t)oracle->batch;
    struct gb_model_shapes shapes;
    gb_model_shapes(oracle->family->kind, &oracle->config, oracle->batch, &shapes);
    run->x = shapes.x;
    run->y = shapes.y;
    run->dx = run->x;
    run->dy = run->sample = run->y;
    run->dx.data = malloc(gb_elements(&run->dx) * sizeof(float));
    run->dy.data = malloc(gb_elements(&run->dy) * sizeof(float));
    run->sample.data = malloc(gb_elements(&run->sample) * sizeof(float));
    run->log_likelihood = malloc(images * sizeof *run->log_likelihood);
    run->bits = malloc(images * sizeof *run->bits);
    run->d_log_likelihood = malloc(images * sizeof *run->d_log_likelihood);
    if (!run->dx.data || !run->dy.data || !run->sample.data || !run->log_likelihood || !run->bits ||
        !run->d_log_likelihood)
        return gb_no_memory(checking, oracle->file.path);
    return GB_OK;
}

static enum gb_status fetch_inputs(struct run *run) {
    struct oracle *oracle = run->oracle;
    const struct family *family = oracle->family;
    GB_TRY(fetch_images(oracle, family->x, &run->x));
    GB_TRY(fetch_images(oracle, family->y, &run->y));
    if (!family->y_noise)
        return GB_OK;
    struct gb_tensor noise = run->y;
    GB_TRY(fetch_images(oracle, family->y_noise, &noise));
    float *y = run->y.data;
    const float *added = noise.data;
    for (size_t i = 0; i < gb_elements(&noise); i++)
        y[i] += added[i];
    free(noise.data);
    return GB_OK;
}

// Sampling meets the top first, then the splits, the deepest first.
static enum gb_status fetch_noise(struct run *run) {
    const struct family *family = run->oracle->family;
    struct gb_latents shapes;
    family->kind->latent_shapes(run->model, &shapes);
    int top = shapes.count - 1;
    run->noise = shapes;
    GB_TRY(fetch_images(run->oracle, family->top_noise, &run->noise.level[top]));
    for (int i = 0; i < top; i++) {
        char name[32];
        snprintf(name, sizeof name, "sample.eps.%d", family->first_eps + i);
        GB_TRY(fetch_images(run->oracle, name, &run->noise.level[top - 1 - i]));
    }
    run->temperature = 1;
    if (!family->temperature)
        return GB_OK;
    float *temperature = NULL;
    GB_TRY(fetch(run->oracle, family->temperature, 1, &temperature));
    run->temperature = *temperature;
    free(temperature);
    return GB_OK;
}

static enum gb_status check_forward(struct run *run, struct errors *errors) {
    struct gb_latents latents;
    GB_TRY(run->oracle->family->kind->forward(run->model, &run->y, NULL, run->log_likelihood,
                                              &latents));
    size_t dimensions = gb_elements(&run->y) / (size_t)run->y.n;
    // The authors take the noise to fill a bin of 1/bins, whatever the target's levels.
    for (int n = 0; n < run->y.n; n++)
        run->bits[n] = (float)(gb_bits_per_dimension(run->log_likelihood[n], dimensions) +
                               log2(run->oracle->bins));
    GB_TRY(compare(run->oracle, "bits_per_dimension", run->bits, (size_t)run->y.n, &errors->bits));
    return compare_images(run->oracle, "z", &latents.level[latents.count - 1], &errors->z);
}

static enum gb_status check_gradients(struct run *run, struct errors *errors) {
    // Of the batch mean of bits per dimension.
    for (int n = 0; n < run->y.n; n++)
        run->d_log_likelihood[n] = (float)(-1 / (log(2) * (double)gb_elements(&run->y)));
    const struct family *family = run->oracle->family;
    family->kind->backward(run->model, run->d_log_likelihood, NULL, &run->dx, &run->dy);
    double error;
    if (family->input_gradients) {
        GB_TRY(compare_images(run->oracle, "grad.x", &run->dx, &error));
        note_gradient(errors, "grad.x", error);
        GB_TRY(compare_images(run->oracle, "grad.v", &run->dy, &error));
        note_gradient(errors, "grad.v", error);
    }
    struct gb_params *params = &run->model->params;
    for (int i = 0; i < params->count; i++) {
        char name[128];
        GB_TRY(name_tensor(run, "grad.param.", &params->list[i], name));
        size_t count = gb_param_elements(&params->list[i]);
        float *found = malloc(count * sizeof *found);
        if (!found)
            return gb_no_memory(checking, name);
        enum gb_status status = gb_params_export(params, i, params->gradient, found);
        if (status == GB_OK)
            status = compare(run->oracle, name, found, count, &error);
        free(found);
        GB_TRY(status);
        note_gradient(errors, name, error);
    }
    return GB_OK;
}

static enum gb_status check_all(struct run *run, const struct gb_backend *backend,
                                struct errors *errors) {
    struct oracle *oracle = run->oracle;
    const struct family *family = oracle->family;
    GB_TRY(allocate(run));
    GB_TRY(fetch_inputs(run));
    const struct gb_model_use use = {.batch = oracle->batch,
                                     .samples_per_x = 1,
                                     .threads = THREADS,
                                     .gradients = true,
                                     .input_gradient = true};
    GB_TRY(gb_model_create(family->kind, &oracle->config, &use, backend, &run->model));
    GB_TRY(import_weights(run));
    GB_TRY(fetch_noise(run));
    GB_TRY(family->kind->condition(run->model, &run->x));
    family->kind->inverse(run->model, &run->noise, run->temperature, &run->sample);
    GB_TRY(compare_images(oracle, family->sample, &run->sample, &errors->inverse));
    GB_TRY(check_forward(run, errors));
    return check_gradients(run, errors);
}

static enum gb_status check_backend(struct oracle *oracle, const struct gb_backend *backend) {
    struct run run = {.oracle = oracle};
    struct errors errors = {0};
    enum gb_status status = check_all(&run, backend, &errors);
    free_run(&run);
    GB_TRY(status);
    bool agrees = errors.bits <= bits_bound && errors.z <= z_bound &&
                  errors.inverse <= inverse_bound && errors.gradient <= gradient_bound;
    printf("%s %s: bits per dimension %.1e, z %.1e, inverse %.1e, gradients %.1e (%s): %s\n",
           oracle->file.path, backend->name, errors.bits, errors.z, errors.inverse, errors.gradient,
           errors.worst_gradient, agrees ? "agrees" : "DIFFERS");
    if (!agrees)
        return gb_fail(GB_CHECK_FAILED, checking, oracle->file.path, "%s differs", backend->name);
    return GB_OK;
}

// ---- Models ----

struct number {
    const char *key;
    int *value;
};

static enum gb_status read_numbers(const struct oracle *oracle, const struct number *numbers,
                                   size_t count) {
    const json_t *metadata = gb_safetensors_metadata(&oracle->file);
    for (size_t i = 0; i < count; i++) {
        uint64_t value;
        GB_TRY(
            gb_metadata_integer(metadata, oracle->file.path, numbers[i].key, 1, 1 << 16, &value));
        *numbers[i].value = (int)value;
    }
    return GB_OK;
}

static enum gb_status cglow_read(struct oracle *oracle) {
    struct gb_cglow_config *config = &oracle->config.cglow;
    const struct number numbers[] = {
        {"height", &config->sizes.y_h},
        {"width", &config->sizes.y_w},
        {"x_channels", &config->sizes.x_c},
        {"y_channels", &config->sizes.y_c},
        {"levels", &config->levels},
        {"steps", &config->steps},
        {"n_c", &config->n_c},
        {"n_w", &config->n_w},
        {"coupling_channels", &config->coupling_channels},
    };
    GB_TRY(read_numbers(oracle, numbers, sizeof numbers / sizeof *numbers));
    config->sizes.x_h = config->sizes.y_h;
    config->sizes.x_w = config->sizes.y_w;
    config->feature_channels = 16;
    return GB_OK;
}

static enum gb_status cnf_read(struct oracle *oracle) {
    struct gb_cnf_config *config = &oracle->config.cnf;
    int patch, scale;
    const struct number numbers[] = {
        {"patch", &patch},
        {"scale", &scale},
        {"levels", &config->levels},
        {"steps", &config->steps},
        {"condition_channels", &config->condition_channels},
        {"coupling_channels", &config->coupling_channels},
        {"rrdb_blocks", &config->rrdb_blocks},
        {"growth", &config->growth},
    };
    GB_TRY(read_numbers(oracle, numbers, sizeof numbers / sizeof *numbers));
    config->sizes.y_h = config->sizes.y_w = patch;
    config->sizes.x_h = config->sizes.x_w = patch / scale;
    config->sizes.x_c = config->sizes.y_c = 3;
    return GB_OK;
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
                                          .x = "x",
                                          .y = "v",
                                          .top_noise = "sample.z_top",
                                          .sample = "sample.v",
                                          .input_gradients = true,
                                          .idle = cglow_idle},
                                         {.kind = &gb_cnf_model,
                                          .read = cnf_read,
                                          .x = "x_low",
                                          .y = "y",
                                          .y_noise = "dequantisation_noise",
                                          .top_noise = "sample.eps.0",
                                          .first_eps = 1,
                                          .sample = "sample.y",
                                          .temperature = "sample.temperature",
                                          .idle = cnf_idle}};

// ---- One file ----

static enum gb_status read_configuration(struct oracle *oracle) {
    const char *path = oracle->file.path, *model;
    const json_t *metadata = gb_safetensors_metadata(&oracle->file);
    GB_TRY(gb_metadata_string(metadata, path, "model", &model));
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strcmp(model, gb_model_name(families[i].kind)) == 0)
            oracle->family = &families[i];
    if (!oracle->family)
        return gb_fail(GB_UNSUPPORTED, checking, path, "model '%s' is not supported", model);
    const struct number common[] = {{"bins", &oracle->bins}, {"batch", &oracle->batch}};
    GB_TRY(read_numbers(oracle, common, sizeof common / sizeof *common));
    return oracle->family->read(oracle);
}

static bool is_idle(const struct oracle *oracle, const char *name) {
    for (const char *const *idle = oracle->family->idle; *idle; idle++)
        if (strcmp(name, *idle) == 0)
            return true;
    return false;
}

// A tensor that was never compared would be a weight or a gradient that the model lacks.
static enum gb_status check_all_used(const struct oracle *oracle) {
    for (size_t i = 0; i < oracle->file.count; i++) {
        const char *name = oracle->file.list[i].name;
        if (!oracle->used[i] && !is_idle(oracle, name))
            return gb_fail(GB_CHECK_FAILED, checking, oracle->file.path,
                           "tensor '%s' has no counterpart in the model", name);
    }
    return GB_OK;
}

static enum gb_status worse(enum gb_status a, enum gb_status b) {
    return gb_exit_code(a) >= gb_exit_code(b) ? a : b;
}

static enum gb_status report(enum gb_status status) {
    if (status != GB_OK)
        fprintf(stderr, "oracle: %s\n", gb_error_message());
    return status;
}

static enum gb_status check_open_file(struct oracle *oracle) {
    oracle->used = calloc(oracle->file.count + 1, sizeof *oracle->used);
    if (!oracle->used)
        return report(gb_no_memory(checking, oracle->file.path));
    enum gb_status status = report(read_configuration(oracle));
    if (status != GB_OK)
        return status;
    for (const struct gb_backend *const *backend = gb_backends(); *backend; backend++)
        if (gb_backend_supported(*backend))
            status = worse(status, report(check_backend(oracle, *backend)));
    return status == GB_OK ? report(check_all_used(oracle)) : status;
}

static enum gb_status check_file(const char *path) {
    struct oracle oracle = {0};
    enum gb_status status = report(gb_safetensors_open(&oracle.file, path));
    if (status != GB_OK)
        return status;
    status = check_open_file(&oracle);
    free(oracle.used);
    gb_safetensors_close(&oracle.file);
    return status;
}

int main(int argc, char **argv) {
    enum gb_status status = GB_OK;
    for (int i = 1; i < argc; i++)
        status = worse(status, check_file(argv[i]));
    if (argc > 1)
        return gb_exit_code(status);
    const char *directory = gb_shared_oracle(".");
    if (!directory)
        return NO_FILES;
    char pattern[4096];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/*.safetensors", directory);
    if (glob(pattern, 0, NULL, &found) != 0) {
        printf("skipped: there is no %s; see GB_SHARED_ORACLES in tests/README.md\n", pattern);
        return NO_FILES;
    }
    for (size_t i = 0; i < found.gl_pathc; i++)
        status = worse(status, check_file(found.gl_pathv[i]));
    globfree(&found);
    return gb_exit_code(status);
}
