// SPDX-License-Identifier: MIT
#include "flows/files/checkpoint.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "flows/files/metadata.h"
#include "flows/files/safetensors.h"

static const char saving[] = "cannot save checkpoint", loading[] = "cannot load checkpoint";
static const char version_key[] = "checkpoint_version";
enum { VERSION = 1 };

enum { VALUES, MOMENT1, MOMENT2, AVERAGE, BLOCKS };
static const char *const prefixes[BLOCKS] = {"", "adam.moment1.", "adam.moment2.", "average."};

// NULL where the parameters have none.
static float *block_of(const struct gb_params *params, int block) {
    return (float *const[BLOCKS]){params->value, params->moment1, params->moment2,
                                  params->average}[block];
}

static void name_tensor(char name[static 128], int block, const struct gb_param *param) {
    snprintf(name, 128, "%s%s", prefixes[block], param->name);
}

static bool all_finite(const float *elements, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!isfinite(elements[i]))
            return false;
    return true;
}

static bool none_negative(const float *elements, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (elements[i] < 0)
            return false;
    return true;
}

// ---- Save ----

// *count tensors; NULL without memory.
static struct gb_tensor_entry *list_entries(const struct gb_params *params, size_t *count) {
    struct gb_tensor_entry *list = calloc((size_t)(BLOCKS * params->count) + 1, sizeof *list);
    struct gb_tensor_entry *entry = list;
    for (int block = 0; list && block < BLOCKS; block++) {
        for (int i = 0; block_of(params, block) && i < params->count; i++, entry++) {
            const struct gb_param *param = &params->list[i];
            name_tensor(entry->name, block, param);
            entry->dims = param->dims;
            for (int d = 0; d < param->dims; d++)
                entry->shape[d] = (size_t)param->shape[d];
        }
    }
    *count = (size_t)(entry - list);
    return list;
}

static enum gb_status append_all(struct gb_safetensors_writer *writer, const char *path,
                                 const struct gb_params *params, float *elements) {
    for (int block = 0; block < BLOCKS; block++) {
        for (int i = 0; block_of(params, block) && i < params->count; i++) {
            GB_TRY(gb_params_export(params, i, block_of(params, block), elements));
            if (!all_finite(elements, gb_param_elements(&params->list[i])))
                return gb_fail(GB_CHECK_FAILED, saving, path,
                               "tensor '%s%s' has a value that is not finite", prefixes[block],
                               params->list[i].name);
            gb_safetensors_append(writer, elements);
        }
    }
    return GB_OK;
}

static enum gb_status write_all(const char *path, const struct gb_params *params,
                                const struct gb_tensor_entry *list, size_t count,
                                const json_t *metadata, float *elements) {
    struct gb_safetensors_writer writer;
    GB_TRY(gb_safetensors_begin(&writer, path, list, count, metadata));
    enum gb_status status = append_all(&writer, path, params, elements);
    if (status == GB_OK)
        return gb_safetensors_commit(&writer);
    gb_safetensors_abort(&writer);
    return status;
}

enum gb_status gb_checkpoint_save(const char *path, const struct gb_params *params,
                                  const json_t *metadata) {
    size_t count;
    struct gb_tensor_entry *list = list_entries(params, &count);
    float *elements = gb_params_largest(params);
    json_t *versioned = gb_json_copy(metadata);
    enum gb_status status;
    if (!list || !elements || !versioned)
        status = gb_no_memory(saving, path);
    else
        status = gb_metadata_set_integer(versioned, version_key, VERSION);
    if (status == GB_OK)
        status = write_all(path, params, list, count, versioned, elements);
    json_decref(versioned);
    free(elements);
    free(list);
    return status;
}

// ---- Load ----

static enum gb_status open_checkpoint(struct gb_safetensors *file, const char *path) {
    GB_TRY(gb_safetensors_open(file, path));
    uint64_t version;
    enum gb_status status = gb_metadata_integer(gb_safetensors_metadata(file), path, version_key, 0,
                                                UINT64_MAX, &version);
    if (status == GB_OK && version != VERSION)
        status = gb_fail(GB_BAD_INPUT, "cannot read checkpoint", path,
                         "its format is version %ju, this program reads version %d",
                         (uintmax_t)version, VERSION);
    if (status != GB_OK)
        gb_safetensors_close(file);
    return status;
}

static void print_shape(const size_t *shape, int dims, char text[static 128]) {
    int used = snprintf(text, 128, "[");
    for (int i = 0; i < dims && used < 100; i++)
        used += snprintf(text + used, 128 - (size_t)used, i ? ", %zu" : "%zu", shape[i]);
    snprintf(text + used, 128 - (size_t)used, "]");
}

static enum gb_status check_shape(const char *path, const struct gb_stored_tensor *tensor,
                                  const struct gb_param *param) {
    size_t wanted[4];
    bool same = tensor->dims == param->dims;
    for (int d = 0; d < param->dims; d++) {
        wanted[d] = (size_t)param->shape[d];
        same = same && tensor->shape[d] == wanted[d];
    }
    if (!same) {
        char found_text[128], wanted_text[128];
        print_shape(tensor->shape, tensor->dims, found_text);
        print_shape(wanted, param->dims, wanted_text);
        return gb_fail(GB_BAD_INPUT, loading, path, "tensor '%s' has shape %s, the model's has %s",
                       tensor->name, found_text, wanted_text);
    }
    if (tensor->type != GB_ELEMENT_F32)
        return gb_fail(GB_BAD_INPUT, loading, path, "tensor '%s' is not of dtype F32",
                       tensor->name);
    return GB_OK;
}

static enum gb_status check_values(const char *path, const struct gb_stored_tensor *tensor,
                                   int block, float *elements) {
    gb_stored_floats(tensor, elements);
    if (!all_finite(elements, tensor->elements))
        return gb_fail(GB_BAD_INPUT, loading, path, "tensor '%s' has a value that is not finite",
                       tensor->name);
    if (block == MOMENT2 && !none_negative(elements, tensor->elements))
        return gb_fail(GB_BAD_INPUT, loading, path, "tensor '%s' has a negative value",
                       tensor->name);
    return GB_OK;
}

// Checks one block's tensors and marks them as known. Those that are not wanted may be absent.
static enum gb_status check_block(const struct gb_safetensors *file, const struct gb_params *params,
                                  int block, bool wanted, bool *known, float *elements) {
    for (int i = 0; i < params->count; i++) {
        char name[128];
        name_tensor(name, block, &params->list[i]);
        const struct gb_stored_tensor *tensor = gb_safetensors_find(file, name);
        if (!tensor && wanted)
            return gb_fail(GB_BAD_INPUT, loading, file->path, "there is no tensor '%s'", name);
        if (!tensor)
            continue;
        known[tensor - file->list] = true;
        GB_TRY(check_shape(file->path, tensor, &params->list[i]));
        if (wanted)
            GB_TRY(check_values(file->path, tensor, block, elements));
    }
    return GB_OK;
}

static enum gb_status check_known(const struct gb_safetensors *file, const bool *known) {
    for (size_t i = 0; i < file->count; i++) {
        if (!known[i])
            return gb_fail(GB_BAD_INPUT, loading, file->path, "tensor '%.96s' is not of this model",
                           file->list[i].name);
    }
    return GB_OK;
}

// Block `from` of the file becomes block `to` of the parameters.
static enum gb_status import_block(const struct gb_safetensors *file,
                                   const struct gb_params *params, int from, int to,
                                   float *elements) {
    for (int i = 0; i < params->count; i++) {
        char name[128];
        name_tensor(name, from, &params->list[i]);
        gb_stored_floats(gb_safetensors_find(file, name), elements);
        GB_TRY(gb_params_import(params, i, elements, block_of(params, to)));
    }
    return GB_OK;
}

static bool has_averages(const struct gb_safetensors *file, const struct gb_params *params) {
    char name[128];
    bool any = false;
    for (int i = 0; i < params->count && !any; i++) {
        name_tensor(name, AVERAGE, &params->list[i]);
        any = gb_safetensors_find(file, name) != NULL;
    }
    return any;
}

static enum gb_status load_blocks(const struct gb_safetensors *file, struct gb_params *params,
                                  enum gb_checkpoint_use use, bool *known, float *elements) {
    const bool resumed = use == GB_CHECKPOINT_RESUMED;
    const int trained = !resumed && has_averages(file, params) ? AVERAGE : VALUES;
    const bool wanted[BLOCKS] = {
        [VALUES] = trained == VALUES,
        [MOMENT1] = resumed,
        [MOMENT2] = resumed,
        [AVERAGE] = trained == AVERAGE || (resumed && params->average),
    };
    for (int block = 0; block < BLOCKS; block++)
        GB_TRY(check_block(file, params, block, wanted[block], known, elements));
    GB_TRY(check_known(file, known));
    for (int block = 0; block < BLOCKS; block++)
        if (wanted[block])
            GB_TRY(import_block(file, params, block, resumed ? block : VALUES, elements));
    return GB_OK;
}

enum gb_status gb_checkpoint_load(const char *path, struct gb_params *params,
                                  enum gb_checkpoint_use use) {
    assert(params->value);
    assert(use == GB_CHECKPOINT_TRAINED || (params->moment1 && params->moment2));
    struct gb_safetensors file;
    GB_TRY(open_checkpoint(&file, path));
    bool *known = calloc(file.count + 1, sizeof *known);
    float *elements = gb_params_largest(params);
    enum gb_status status;
    if (known && elements)
        status = load_blocks(&file, params, use, known, elements);
    else
        status = gb_no_memory(loading, path);
    free(elements);
    free(known);
    gb_safetensors_close(&file);
    return status;
}

enum gb_status gb_checkpoint_metadata(const char *path, json_t **metadata) {
    struct gb_safetensors file;
    GB_TRY(open_checkpoint(&file, path));
    *metadata = json_incref((json_t *)gb_safetensors_metadata(&file));
    gb_safetensors_close(&file);
    return GB_OK;
}
