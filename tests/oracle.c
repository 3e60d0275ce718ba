// SPDX-License-Identifier: MIT
// Holds models to numbers that the papers' authors' code computed in double precision:
//
//   oracle [FILE...]
//
// A file (safetensors) describes a model in its metadata and holds its weights as "param.NAME",
// NAME being the authors' module path, an input, and what the model makes of it: likelihoods,
// latents, gradients, an inverse. Every native backend that this CPU supports is run on it. Without
// arguments, those that are at hand (tests/real_data.h). Exit code: 0 all agree, 1 one does not,
// 2 a file is unusable, 77 there are no files.
#include <glob.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flows/metadata.h"
#include "flows/safetensors.h"
#include "real_data.h"

static const char checking[] = "check oracle";

enum { THREADS = 2, NO_FILES = 77 };

// Largest relative L2 errors; single precision by the authors' code is within 3e-7, 3e-7, 1e-6,
// 5e-6.
static const double bits_bound = 1e-6, z_bound = 1e-5, inverse_bound = 1e-5, gradient_bound = 1e-4;

struct oracle {
    struct gb_safetensors file;
    bool *used; // for each tensor of the file
    struct gb_cglow_config config;
    int batch, bins;
};

struct errors {
    double bits, z, inverse, gradient;
    char worst_gradient[GB_PRINTABLE];
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
    return images->data ? GB_OK
                        : gb_fail(GB_OUT_OF_MEMORY, checking, oracle->file.path, "out of memory");
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
        return gb_fail(GB_OUT_OF_MEMORY, checking, oracle->file.path, "out of memory");
    copy_to_nchw(found, nchw);
    enum gb_status status = compare(oracle, name, nchw, gb_elements(found), error);
    free(nchw);
    return status;
}

static void note_gradient(struct errors *errors, const char *name, double error) {
    if (error > errors->gradient || (isnan(error) && !isnan(errors->gradient))) {
        errors->gradient = error;
        gb_printable(name, errors->worst_gradient);
    }
}

// ---- One backend ----

// Everything that a run needs memory for.
struct run {
    struct oracle *oracle;
    struct gb_cglow *model;
    struct gb_tensor x, v, dx, dv, sample;
    struct gb_latents noise;
    double *log_likelihood;
    float *bits, *d_log_likelihood;
};

static void free_run(struct run *run) {
    gb_cglow_free(run->model);
    struct gb_tensor *const images[] = {&run->x, &run->v, &run->dx, &run->dv, &run->sample};
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
    gb_cglow_published_name(&run->oracle->config, param->name, published);
    if (!*published)
        return gb_fail(GB_CHECK_FAILED, checking, run->oracle->file.path,
                       "parameter '%s' has no published name", param->name);
    snprintf(name, 128, "%s%s", prefix, published);
    return GB_OK;
}

static enum gb_status import_weights(struct run *run) {
    struct gb_params *params = gb_cglow_params(run->model);
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
    const struct gb_cglow_config *config = &run->oracle->config;
    int batch = run->oracle->batch;
    run->x = run->dx = gb_dense(NULL, batch, config->x_h, config->x_w, config->x_c);
    run->v = run->dv = run->sample = gb_dense(NULL, batch, config->y_h, config->y_w, config->y_c);
    size_t images = (size_t)batch;
    run->dx.data = malloc(gb_elements(&run->dx) * sizeof(float));
    run->dv.data = malloc(gb_elements(&run->dv) * sizeof(float));
    run->sample.data = malloc(gb_elements(&run->sample) * sizeof(float));
    run->log_likelihood = malloc(images * sizeof *run->log_likelihood);
    run->bits = malloc(images * sizeof *run->bits);
    run->d_log_likelihood = malloc(images * sizeof *run->d_log_likelihood);
    if (!run->dx.data || !run->dv.data || !run->sample.data || !run->log_likelihood || !run->bits ||
        !run->d_log_likelihood)
        return gb_fail(GB_OUT_OF_MEMORY, checking, run->oracle->file.path, "out of memory");
    return GB_OK;
}

// Sampling meets the deepest split first: eps.0 is its noise.
static enum gb_status fetch_noise(struct run *run) {
    struct gb_latents shapes;
    gb_cglow_latent_shapes(run->model, &shapes);
    int top = shapes.count - 1;
    run->noise = shapes;
    GB_TRY(fetch_images(run->oracle, "sample.z_top", &run->noise.level[top]));
    for (int i = 0; i < top; i++) {
        char name[32];
        snprintf(name, sizeof name, "sample.eps.%d", i);
        GB_TRY(fetch_images(run->oracle, name, &run->noise.level[top - 1 - i]));
    }
    return GB_OK;
}

static enum gb_status check_forward(struct run *run, struct errors *errors) {
    struct gb_latents latents;
    GB_TRY(gb_cglow_forward(run->model, &run->v, run->log_likelihood, &latents));
    size_t dimensions = gb_elements(&run->v) / (size_t)run->v.n;
    // The authors take the noise to fill a bin of 1/bins, whatever the target's levels.
    for (int n = 0; n < run->v.n; n++)
        run->bits[n] = (float)(gb_bits_per_dimension(run->log_likelihood[n], dimensions) +
                               log2(run->oracle->bins));
    GB_TRY(compare(run->oracle, "bits_per_dimension", run->bits, (size_t)run->v.n, &errors->bits));
    return compare_images(run->oracle, "z", &latents.level[latents.count - 1], &errors->z);
}

static enum gb_status check_gradients(struct run *run, struct errors *errors) {
    // Of the batch mean of bits per dimension.
    for (int n = 0; n < run->v.n; n++)
        run->d_log_likelihood[n] = (float)(-1 / (log(2) * (double)gb_elements(&run->v)));
    gb_cglow_backward(run->model, run->d_log_likelihood, NULL, &run->dx, &run->dv);
    double error;
    GB_TRY(compare_images(run->oracle, "grad.x", &run->dx, &error));
    note_gradient(errors, "grad.x", error);
    GB_TRY(compare_images(run->oracle, "grad.v", &run->dv, &error));
    note_gradient(errors, "grad.v", error);
    struct gb_params *params = gb_cglow_params(run->model);
    for (int i = 0; i < params->count; i++) {
        char name[128];
        GB_TRY(name_tensor(run, "grad.param.", &params->list[i], name));
        size_t count = gb_param_elements(&params->list[i]);
        float *found = malloc(count * sizeof *found);
        if (!found)
            return gb_fail(GB_OUT_OF_MEMORY, checking, name, "out of memory");
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
    const struct gb_cglow_use use = {.batch = oracle->batch,
                                     .samples_per_x = 1,
                                     .threads = THREADS,
                                     .gradients = true,
                                     .input_gradient = true};
    GB_TRY(allocate(run));
    GB_TRY(fetch_images(oracle, "x", &run->x));
    GB_TRY(fetch_images(oracle, "v", &run->v));
    GB_TRY(gb_cglow_create(&oracle->config, &use, backend, &run->model));
    GB_TRY(import_weights(run));
    GB_TRY(fetch_noise(run));
    GB_TRY(gb_cglow_condition(run->model, &run->x));
    gb_cglow_inverse(run->model, &run->noise, 1, &run->sample);
    GB_TRY(compare_images(oracle, "sample.v", &run->sample, &errors->inverse));
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

// ---- One file ----

static enum gb_status read_configuration(struct oracle *oracle) {
    const char *path = oracle->file.path, *model;
    const json_t *metadata = gb_safetensors_metadata(&oracle->file);
    char printable[GB_PRINTABLE];
    GB_TRY(gb_metadata_string(metadata, path, "model", &model));
    if (strcmp(model, "cglow") != 0)
        return gb_fail(GB_UNSUPPORTED, checking, path, "model '%s' is not supported",
                       gb_printable(model, printable));
    struct gb_cglow_config *config = &oracle->config;
    const struct {
        const char *key;
        int *value;
    } numbers[] = {
        {"height", &config->y_h},
        {"width", &config->y_w},
        {"x_channels", &config->x_c},
        {"y_channels", &config->y_c},
        {"levels", &config->levels},
        {"steps", &config->steps},
        {"n_c", &config->n_c},
        {"n_w", &config->n_w},
        {"coupling_channels", &config->coupling_channels},
        {"bins", &oracle->bins},
        {"batch", &oracle->batch},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uint64_t value;
        GB_TRY(gb_metadata_integer(metadata, path, numbers[i].key, 1, 1 << 16, &value));
        *numbers[i].value = (int)value;
    }
    config->x_h = config->y_h;
    config->x_w = config->y_w;
    config->feature_channels = 16;
    return GB_OK;
}

// A tensor that was never compared would be a weight or a gradient that the model lacks.
static enum gb_status check_all_used(const struct oracle *oracle) {
    for (size_t i = 0; i < oracle->file.count; i++) {
        const char *name = oracle->file.list[i].name;
        // The top prior's mean and log deviation, which the authors' code does not use.
        bool idle = strcmp(name, "param.new_mean") == 0 || strcmp(name, "param.new_logs") == 0;
        char printable[GB_PRINTABLE];
        if (!oracle->used[i] && !idle)
            return gb_fail(GB_CHECK_FAILED, checking, oracle->file.path,
                           "tensor '%s' has no counterpart in the model",
                           gb_printable(name, printable));
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
        return report(gb_fail(GB_OUT_OF_MEMORY, checking, oracle->file.path, "out of memory"));
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
    const char *folder = gb_shared_oracle(".");
    if (!folder)
        return NO_FILES;
    char pattern[4096];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/cglow_*.safetensors", folder);
    if (glob(pattern, 0, NULL, &found) != 0) {
        printf("skipped: there is no %s; see GB_SHARED_ORACLES in tests/README.md\n", pattern);
        return NO_FILES;
    }
    for (size_t i = 0; i < found.gl_pathc; i++)
        status = worse(status, check_file(found.gl_pathv[i]));
    globfree(&found);
    return gb_exit_code(status);
}
