// SPDX-License-Identifier: MIT
#include "flows/params.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/minmax.h"

size_t gb_param_elements(const struct gb_param *param) {
    size_t elements = 1;
    for (int i = 0; i < param->dims; i++)
        elements *= (size_t)param->shape[i];
    return elements;
}

size_t gb_params_elements(const struct gb_params *params) {
    size_t elements = 0;
    for (int i = 0; i < params->count; i++)
        if (!params->list[i].statistic)
            elements += gb_param_elements(&params->list[i]);
    return elements;
}

static size_t size_in_memory(const struct gb_param *param) {
    switch (param->layout) {
    case GB_LAYOUT_CONV:
        return param->plan.conv->weight_floats;
    case GB_LAYOUT_FC:
        return param->plan.fc->weight_floats;
    case GB_LAYOUT_PLAIN:
        break;
    }
    return gb_param_elements(param);
}

enum gb_status gb_params_add(struct gb_params *params, const struct gb_param *param, int *index) {
    assert(!params->value);
    struct gb_param *list = gb_grow(params->list, (size_t)params->count, sizeof *list);
    if (!list)
        return gb_no_memory("cannot build the model", param->name);
    params->list = list;
    struct gb_param *added = &list[params->count];
    *added = *param;
    *index = params->count++;
    return GB_OK;
}

static void place(struct gb_params *params) {
    params->size = 0;
    for (int i = 0; i < params->count; i++) {
        struct gb_param *param = &params->list[i];
        param->offset = params->size;
        param->size = gb_round_up(size_in_memory(param), GB_CHANNEL_PAD);
        params->size += param->size;
    }
    params->bytes = params->size * sizeof(float);
}

enum gb_status gb_params_reserve(struct gb_params *params, bool gradients, bool moments) {
    float **const blocks[] = {&params->value, &params->gradient, &params->moment1,
                              &params->moment2};
    const bool wanted[] = {true, gradients, moments, moments};
    place(params);
    for (int i = 0; i < 4; i++) {
        const bool halves = i >= 2 && params->moments == GB_BF16; // sizes are even
        if (wanted[i])
            GB_TRY(gb_block_reserve(params->size / (halves ? 2 : 1), "parameters", blocks[i]));
    }
    return GB_OK;
}

void gb_params_free(struct gb_params *params) {
    free(params->value);
    free(params->gradient);
    free(params->moment1);
    free(params->moment2);
    free(params->sum);
    free(params->average);
    free(params->list);
    *params = (struct gb_params){0};
}

// ---- Types ----

// How a block holds a parameter.
enum form { FLOATS, SPLIT, HALVES };

static enum form form_of(const struct gb_params *params, const struct gb_param *param,
                         const float *block) {
    const bool moments = block == params->moment1 || block == params->moment2;
    if (moments && params->moments == GB_BF16)
        return HALVES;
    return param->type == GB_BF16 && block == params->value ? SPLIT : FLOATS;
}

// The parameter's packed elements as floats, and back.
static void widen(const struct gb_param *param, enum form form, const float *block, float *floats) {
    const gb_bf16 *halves = (const gb_bf16 *)block + param->offset;
    if (form == SPLIT)
        gb_bf16_join_array(param->size, block + param->offset, floats);
    for (size_t i = 0; form == HALVES && i < param->size; i++)
        floats[i] = gb_bf16_value(halves[i]);
}
static void narrow(const struct gb_param *param, enum form form, const float *floats,
                   float *block) {
    gb_bf16 *halves = (gb_bf16 *)block + param->offset;
    if (form == SPLIT)
        gb_bf16_split_array(param->size, floats, block + param->offset);
    for (size_t i = 0; form == HALVES && i < param->size; i++)
        halves[i] = gb_bf16_round(floats[i]);
}

// One value of a parameter, split or not.
static inline float value_at(const struct gb_param *param, const float *value, size_t i) {
    const gb_bf16 *high = (const gb_bf16 *)value;
    return param->type == GB_BF16 ? gb_bf16_join(high[i], high[param->size + i]) : value[i];
}

// ---- Gradients ----

// Elements as a matrix with a whole number of vectors in each row.
static struct gb_tensor rows_of(const float *elements, size_t size) {
    return gb_dense((float *)elements, 1, 1, (int)(size / GB_CHANNEL_PAD), GB_CHANNEL_PAD);
}

enum gb_status gb_params_reserve_sum(struct gb_params *params) {
    assert(params->value && !params->sum);
    return gb_block_reserve(params->size, "sum of gradients", &params->sum);
}

void gb_params_accumulate(struct gb_params *params, int threads, bool first) {
    const struct gb_exec exec = {.threads = threads};
    const struct gb_tensor gradient = rows_of(params->gradient, params->size);
    const struct gb_tensor sum = rows_of(params->sum, params->size);
    const struct gb_range all = {0, params->size};
    if (first)
        params->backend->add_scaled(&exec, NULL, 1, &gradient, &sum);
    else
        gb_params_accumulate_part(params, threads, all);
}

void gb_params_accumulate_part(const struct gb_params *params, int threads, struct gb_range part) {
    const struct gb_exec exec = {.threads = threads};
    const size_t size = part.end - part.begin;
    const struct gb_tensor gradient = rows_of(params->gradient + part.begin, size);
    const struct gb_tensor sum = rows_of(params->sum + part.begin, size);
    params->backend->add(&exec, &gradient, &sum);
}

double gb_params_gradient_norm(const struct gb_params *params, int threads, const float *gradient) {
    const struct gb_exec exec = {.threads = threads};
    double sum;
    params->backend->sum_squares(&exec, params->size, gradient, &sum);
    return sqrt(sum);
}

void gb_params_scale_to_norm(const struct gb_params *params, int threads, float max_norm,
                             double norm, size_t size, float *gradient) {
    const double factor = (double)max_norm / (norm + 1e-6);
    if (isfinite(norm) && factor < 1) {
        const struct gb_exec exec = {.threads = threads};
        const struct gb_tensor view = rows_of(gradient, size);
        params->backend->add_scaled(&exec, NULL, (float)factor, &view, &view);
    }
}

double gb_params_clip_norm(const struct gb_params *params, int threads, float max_norm,
                           float *gradient) {
    const double norm = gb_params_gradient_norm(params, threads, gradient);
    gb_params_scale_to_norm(params, threads, max_norm, norm, params->size, gradient);
    return norm;
}

void gb_params_apply(struct gb_params *params, int threads, const struct gb_adam *adam,
                     const float *gradient) {
    const struct gb_range all = {0, params->size};
    gb_params_apply_part(params, threads, adam, all, gradient);
}

void gb_params_apply_part(struct gb_params *params, int threads, const struct gb_adam *adam,
                          struct gb_range part, const float *gradient) {
    const struct gb_exec exec = {.threads = threads};
    for (int first = 0, end; first < params->count; first = end) {
        const struct gb_param *param = &params->list[first];
        end = first + 1;
        if (param->statistic)
            continue;
        // Neighbours are updated in one call, except split ones; a run ends at a statistic.
        size_t size = param->size;
        for (; param->type == GB_F32 && end < params->count && !params->list[end].statistic &&
               params->list[end].type == GB_F32;
             end++)
            size += params->list[end].size;
        const size_t from = gb_max_size(part.begin, param->offset);
        const size_t to = gb_min_size(part.end, param->offset + size);
        if (from >= to)
            continue;
        const struct gb_adam_target target = gb_params_target(params, first, adam);
        params->backend->adam(&exec, &target, from - param->offset, to - from,
                              gradient + (from - part.begin));
    }
}

struct gb_adam_target gb_params_target(const struct gb_params *params, int index,
                                       const struct gb_adam *adam) {
    const struct gb_param *param = &params->list[index];
    struct gb_adam_target target = {.adam = adam,
                                    .weights = params->value + param->offset,
                                    .split = param->type == GB_BF16 ? param->size : 0,
                                    .bf16_moments = params->moments == GB_BF16,
                                    .element = param->offset};
    // A half as many floats; offsets are multiples of GB_CHANNEL_PAD.
    const size_t at = param->offset / (target.bf16_moments ? 2 : 1);
    target.moment1 = params->moment1 + at;
    target.moment2 = params->moment2 + at;
    return target;
}

// ---- Moving averages ----

enum gb_status gb_params_keep_average(struct gb_params *params) {
    assert(params->value && !params->average);
    GB_TRY(gb_block_reserve(params->size, "moving averages", &params->average));
    gb_params_average(params, 1, 0);
    return GB_OK;
}

struct averaging {
    const struct gb_params *params;
    float weight; // of the values
};

static void average_part(void *argument, int rank, int size) {
    const struct averaging *averaging = argument;
    const struct gb_params *params = averaging->params;
    const struct gb_range part = gb_partition(params->size, rank, size);
    const float weight = averaging->weight;
    for (int p = 0; p < params->count; p++) {
        const struct gb_param *param = &params->list[p];
        const float *value = params->value + param->offset;
        float *average = params->average + param->offset;
        const size_t begin = gb_max_size(part.begin, param->offset) - param->offset;
        const size_t end = gb_max_size(part.end, param->offset) - param->offset;
        for (size_t i = begin; i < gb_min_size(end, param->size); i++)
            average[i] += weight * (value_at(param, value, i) - average[i]);
    }
}

void gb_params_average(struct gb_params *params, int threads, float decay) {
    assert(params->average);
    struct averaging averaging = {params, 1 - decay};
    for (int p = 0; decay == 0 && p < params->count; p++) {
        const struct gb_param *param = &params->list[p];
        for (size_t i = 0; i < param->size; i++)
            params->average[param->offset + i] = value_at(param, params->value + param->offset, i);
    }
    if (decay != 0)
        gb_parallel(threads, average_part, &averaging);
}

const float *gb_params_trained(const struct gb_params *params) {
    return params->average ? params->average : params->value;
}

// ---- Values for other processes ----

// A parameter's values in a part: where they are and how many bytes they have.
static size_t values_in(const struct gb_params *params, const struct gb_param *param,
                        struct gb_range part, enum gb_params_half half, char **values) {
    const size_t begin = gb_max_size(part.begin, param->offset) - param->offset;
    const size_t end = gb_min_size(part.end, param->offset + param->size);
    if (begin + param->offset >= end || (half == GB_PARAMS_REST && param->type != GB_BF16))
        return 0;
    const size_t count = end - param->offset - begin;
    float *first = params->value + param->offset;
    if (param->type != GB_BF16) {
        *values = (char *)(first + begin);
        return count * sizeof(float);
    }
    *values = (char *)((gb_bf16 *)first + (half == GB_PARAMS_REST ? param->size : 0) + begin);
    return count * sizeof(gb_bf16);
}

size_t gb_params_pack(const struct gb_params *params, struct gb_range part,
                      enum gb_params_half half, void *packed) {
    size_t used = 0;
    for (int p = 0; p < params->count; p++) {
        char *values = NULL;
        const size_t bytes = values_in(params, &params->list[p], part, half, &values);
        if (packed && bytes > 0)
            memcpy((char *)packed + used, values, bytes);
        used += bytes;
    }
    return used;
}

void gb_params_unpack(struct gb_params *params, struct gb_range part, enum gb_params_half half,
                      const void *packed) {
    size_t used = 0;
    for (int p = 0; p < params->count; p++) {
        char *values = NULL;
        const size_t bytes = values_in(params, &params->list[p], part, half, &values);
        if (bytes > 0)
            memcpy(values, (const char *)packed + used, bytes);
        used += bytes;
    }
}

// ---- Names, import and export ----

int gb_params_find(const struct gb_params *params, const char *name) {
    for (int i = 0; i < params->count; i++)
        if (strcmp(params->list[i].name, name) == 0)
            return i;
    return -1;
}

// Copies a parameter between PyTorch's order and the order of its rows and inputs in memory.
enum direction { TO_MEMORY, FROM_MEMORY };
static void copy_permuted(const struct gb_param *param, enum direction direction, const float *from,
                          float *to) {
    size_t rows = (size_t)param->shape[0], row = gb_param_elements(param) / rows;
    size_t first =
        param->last_inputs ? row / (size_t)param->shape[1] * (size_t)param->last_inputs : 0;
    for (size_t r = 0; r < rows; r++) {
        size_t in_memory = param->halves ? r / 2 + r % 2 * (rows / 2) : r;
        // A row is [a | b] in files and [b | a] in memory.
        size_t source = (direction == TO_MEMORY ? r : in_memory) * row;
        size_t target = (direction == TO_MEMORY ? in_memory : r) * row;
        size_t head = direction == TO_MEMORY ? first : row - first;
        memcpy(to + target, from + source + head, (row - head) * sizeof *to);
        memcpy(to + target + row - head, from + source, head * sizeof *to);
    }
}

static bool is_permuted(const struct gb_param *param) {
    return param->halves || param->last_inputs;
}

float *gb_params_largest(const struct gb_params *params) {
    size_t largest = 1;
    for (int i = 0; i < params->count; i++)
        largest = gb_max_size(largest, gb_param_elements(&params->list[i]));
    return malloc(largest * sizeof(float));
}

enum gb_status gb_params_export(const struct gb_params *params, int index, const float *block,
                                float *elements) {
    const struct gb_param *param = &params->list[index];
    const enum form form = form_of(params, param, block);
    const float *memory = block + param->offset;
    size_t count = gb_param_elements(param);
    float *ordered = elements, *joined = NULL;
    if (is_permuted(param) && !(ordered = malloc(count * sizeof *ordered)))
        return gb_fail(GB_OUT_OF_MEMORY, "cannot export", param->name, "%zu floats", count);
    if (form != FLOATS && !(joined = malloc(param->size * sizeof *joined))) {
        if (ordered != elements)
            free(ordered);
        return gb_fail(GB_OUT_OF_MEMORY, "cannot export", param->name, "%zu floats", param->size);
    }
    if (form != FLOATS) {
        widen(param, form, block, joined);
        memory = joined;
    }
    switch (param->layout) {
    case GB_LAYOUT_PLAIN:
        memcpy(ordered, memory, count * sizeof *ordered);
        break;
    case GB_LAYOUT_CONV:
        params->backend->conv_unpack(param->plan.conv, memory, ordered);
        break;
    case GB_LAYOUT_FC:
        params->backend->fc_unpack(param->plan.fc, memory, ordered);
        break;
    }
    if (is_permuted(param)) {
        copy_permuted(param, FROM_MEMORY, ordered, elements);
        free(ordered);
    }
    free(joined);
    return GB_OK;
}

enum gb_status gb_params_import(const struct gb_params *params, int index, const float *elements,
                                float *block) {
    const struct gb_param *param = &params->list[index];
    float *memory = block + param->offset, *permuted = NULL, *joined = NULL;
    size_t count = gb_param_elements(param);
    const enum form form = form_of(params, param, block);
    if (form != FLOATS) {
        if (!(joined = calloc(param->size, sizeof *joined)))
            return gb_fail(GB_OUT_OF_MEMORY, "cannot import", param->name, "%zu floats",
                           param->size);
        memory = joined;
    }
    if (is_permuted(param)) {
        if (!(permuted = malloc(count * sizeof *permuted))) {
            free(joined);
            return gb_fail(GB_OUT_OF_MEMORY, "cannot import", param->name, "%zu floats", count);
        }
        copy_permuted(param, TO_MEMORY, elements, permuted);
        elements = permuted;
    }
    switch (param->layout) {
    case GB_LAYOUT_PLAIN:
        memcpy(memory, elements, count * sizeof *memory);
        break;
    case GB_LAYOUT_CONV:
        params->backend->conv_pack(param->plan.conv, elements, memory);
        break;
    case GB_LAYOUT_FC:
        params->backend->fc_pack(param->plan.fc, elements, memory);
        break;
    }
    if (joined)
        narrow(param, form, joined, block);
    free(joined);
    free(permuted);
    return GB_OK;
}

// ---- Initialisation ----

// A uniformly distributed rotation: the rows of a normal matrix, orthonormalised by modified
// Gram-Schmidt. Its determinant may be -1, which log|det| does not see.
static void random_rotation(const struct gb_random_key *key, uint32_t first, int c, double *rows) {
    for (int i = 0; i < c; i++) {
        double *row = rows + (size_t)i * (size_t)c;
        for (int j = 0; j < c; j++)
            row[j] = gb_random_normal(key, first + (uint32_t)(i * c + j));
        for (int k = 0; k < i; k++) {
            const double *other = rows + (size_t)k * (size_t)c;
            double dot = 0;
            for (int j = 0; j < c; j++)
                dot += row[j] * other[j];
            for (int j = 0; j < c; j++)
                row[j] -= dot * other[j];
        }
        double norm = 0;
        for (int j = 0; j < c; j++)
            norm += row[j] * row[j];
        norm = sqrt(norm);
        for (int j = 0; j < c; j++)
            row[j] /= norm;
    }
}

// atanh by its series in double, |x| <= 0.9: each term is at most 0.81 times the one before, so 300
// terms leave an error of 1e-28.
static float series_atanh(double x) {
    double power = x, sum = 0;
    for (int k = 1; k < 600; k += 2, power *= x * x)
        sum += power / k;
    return (float)sum;
}

static enum gb_status init_rotation(const struct gb_random_key *key, const struct gb_param *param,
                                    float *elements) {
    size_t count = gb_param_elements(param);
    int c = 1;
    while ((size_t)c * (size_t)c < count)
        c++;
    double *rows = malloc(count * sizeof *rows);
    if (!rows)
        return gb_fail(GB_OUT_OF_MEMORY, "cannot initialise", param->name, "%zu doubles", count);
    bool atanh = param->init.distribution == GB_INIT_ATANH_ROTATION;
    // An entry near 1 would saturate its tanh from the start; half of the 4 x 4 rotations pass.
    double limit = atanh ? 0.9 : 1.1, largest = INFINITY;
    for (uint32_t attempt = 0; largest > limit; attempt++) {
        random_rotation(key, attempt * (uint32_t)gb_round_up(count, 4), c, rows);
        largest = 0;
        for (size_t i = 0; i < count; i++)
            largest = fmax(largest, fabs(rows[i]));
    }
    for (size_t i = 0; i < count; i++)
        elements[i] = atanh ? series_atanh(rows[i]) : (float)rows[i];
    free(rows);
    return GB_OK;
}

static void init_bilinear(const struct gb_param *param, float *elements) {
    static const float kernel[9] = {1, 2, 1, 2, 4, 2, 1, 2, 1};
    assert(param->dims == 4 && param->shape[0] == param->shape[1]);
    assert(param->shape[2] == 3 && param->shape[3] == 3);
    for (int c = 0; c < param->shape[0]; c++)
        for (int i = 0; i < 9; i++)
            elements[(c * param->shape[0] + c) * 9 + i] = kernel[i] / 16;
}

// `elements` are zero.
static enum gb_status init_elements(const struct gb_backend *backend,
                                    const struct gb_random_key *key, const struct gb_param *param,
                                    float *elements) {
    const struct gb_exec exec = {.threads = 1};
    const size_t count = gb_param_elements(param);
    const float scale = param->init.scale;
    switch (param->init.distribution) {
    case GB_INIT_ZERO:
        break;
    case GB_INIT_CONSTANT:
        for (size_t e = 0; e < count; e++)
            elements[e] = scale;
        break;
    case GB_INIT_NORMAL:
        backend->random_normal(&exec, key, 0, count, scale, elements);
        break;
    case GB_INIT_UNIFORM:
        backend->random_uniform(&exec, key, 0, count, -scale, scale, elements);
        break;
    case GB_INIT_BILINEAR:
        init_bilinear(param, elements);
        break;
    case GB_INIT_ROTATION:
    case GB_INIT_ATANH_ROTATION:
        return init_rotation(key, param, elements);
    }
    return GB_OK;
}

enum gb_status gb_params_initialise(struct gb_params *params, uint64_t seed) {
    enum gb_status status = GB_OK;
    float *elements = gb_params_largest(params);
    if (!elements)
        return gb_no_memory("cannot initialise", "parameters");
    for (int i = 0; i < params->count && status == GB_OK; i++) {
        const struct gb_param *param = &params->list[i];
        const struct gb_random_key key = {
            .seed = seed, .purpose = GB_RANDOM_INIT, .sample = (uint32_t)i};
        memset(elements, 0, gb_param_elements(param) * sizeof *elements);
        status = init_elements(params->backend, &key, param, elements);
        if (status == GB_OK)
            status = gb_params_import(params, i, elements, params->value);
    }
    free(elements);
    return status;
}

enum gb_status gb_params_copy(const struct gb_params *from, struct gb_params *to) {
    assert(from->count == to->count);
    enum gb_status status = GB_OK;
    float *elements = gb_params_largest(from);
    if (!elements)
        return gb_no_memory("cannot copy", "parameters");
    for (int i = 0; i < from->count && status == GB_OK; i++) {
        status = gb_params_export(from, i, gb_params_trained(from), elements);
        if (status == GB_OK)
            status = gb_params_import(to, i, elements, to->value);
    }
    free(elements);
    return status;
}
