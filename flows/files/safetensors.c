// SPDX-License-Identifier: MIT
#include "flows/files/safetensors.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/json.h"
#include "kernels/tensor.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");

static const char reading[] = "cannot read tensors";
static const char metadata_name[] = "__metadata__";

enum {
    LENGTH_BYTES = 8,
    DATA_ALIGNMENT = 64, // whatever a cache line has: files are the same on all machines
    // The format's own limit: a parser must not be made to build gigabytes of JSON.
    HEADER_LIMIT = 100000000,
};

static const struct {
    const char *name;
    size_t bytes;
} element_types[] = {
    [GB_ELEMENT_F32] = {"F32", 4},
    [GB_ELEMENT_F64] = {"F64", 8},
    [GB_ELEMENT_I64] = {"I64", 8},
};

static enum gb_status bad_tensor(const char *path, const char *name, const char *why) {
    return gb_fail(GB_BAD_INPUT, reading, path, "tensor '%.96s': %s", name, why);
}

static enum gb_status map_file(struct gb_safetensors *file) {
    int descriptor = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return gb_fail(GB_IO_ERROR, reading, file->path, "%s", strerror(errno));
    struct stat status;
    enum gb_status result = GB_OK;
    if (fstat(descriptor, &status) != 0) {
        result = gb_fail(GB_IO_ERROR, reading, file->path, "%s", strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
        result = gb_fail(GB_BAD_INPUT, reading, file->path, "is not a regular file");
    } else if (status.st_size < LENGTH_BYTES) {
        result = gb_fail(GB_BAD_INPUT, reading, file->path,
                         "is not a safetensors file: only %jd bytes", (intmax_t)status.st_size);
    } else {
        // The project's files are replaced, never rewritten in place, so a mapping stays whole.
        file->bytes = (size_t)status.st_size;
        file->mapping = mmap(NULL, file->bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (file->mapping == MAP_FAILED) {
            file->mapping = NULL;
            result = gb_fail(GB_IO_ERROR, reading, file->path, "%s", strerror(errno));
        }
    }
    close(descriptor);
    return result;
}

// What the file is by its first bytes, where it is another format that weights come in; else NULL.
static const char *other_format(const char *bytes) {
    static const struct {
        const char *magic;
        size_t size;
        const char *name;
    } formats[] = {{"PK\3\4", 4, "a zip archive, as PyTorch's .pt"},
                   {"\x80\2", 2, "a Python pickle, as an old PyTorch's .pt"},
                   {"\x89HDF\r\n", 6, "an HDF5 file, as Keras's .h5"},
                   {"\x93NUMPY", 6, "a NumPy array"},
                   {"GGUF", 4, "a GGUF file"},
                   {"\x1f\x8b", 2, "compressed by gzip"},
                   {"version ", 8, "a pointer of Git LFS: fetch the file by git lfs pull"},
                   {"<!DOCTYP", 8, "a web page"},
                   {"<!doctyp", 8, "a web page"},
                   {"<html", 5, "a web page"}};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (memcmp(bytes, formats[i].magic, formats[i].size) == 0)
            return formats[i].name;
    return NULL;
}

static enum gb_status parse_header(struct gb_safetensors *file, size_t *data_offset) {
    uint64_t length;
    memcpy(&length, file->mapping, sizeof length);
    const char *text = (const char *)file->mapping + LENGTH_BYTES;
    const char *other =
        file->bytes == LENGTH_BYTES || *text != '{' ? other_format(file->mapping) : NULL;
    if (other)
        return gb_fail(GB_BAD_INPUT, reading, file->path, "is not a safetensors file but %s",
                       other);
    if (length > HEADER_LIMIT)
        return gb_fail(GB_BAD_INPUT, reading, file->path,
                       "is not a safetensors file: a header of %" PRIu64 " bytes", length);
    if (length == 0 || (file->bytes > LENGTH_BYTES && *text != '{'))
        return gb_fail(GB_BAD_INPUT, reading, file->path,
                       "is not a safetensors file: the header is not a JSON object");
    if (length > file->bytes - LENGTH_BYTES)
        return gb_fail(GB_BAD_INPUT, reading, file->path,
                       "is truncated: a header of %" PRIu64 " bytes in a file of %zu", length,
                       file->bytes);
    json_error_t error;
    file->header = gb_json_parse(text, (size_t)length, &error);
    if (!file->header) {
        return gb_fail(GB_BAD_INPUT, reading, file->path, "header, byte %d: %s", error.position,
                       error.text);
    }
    *data_offset = LENGTH_BYTES + (size_t)length;
    return GB_OK;
}

static enum gb_status check_metadata(const struct gb_safetensors *file, json_t *metadata) {
    if (!json_is_object(metadata))
        return gb_fail(GB_BAD_INPUT, reading, file->path, "%s is not an object", metadata_name);
    const char *key;
    json_t *value;
    json_object_foreach(metadata, key, value) {
        if (!json_is_string(value))
            return gb_fail(GB_BAD_INPUT, reading, file->path, "%s: '%.96s' is not a string",
                           metadata_name, key);
    }
    return GB_OK;
}

static bool read_size(const json_t *value, size_t *size) {
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *size = (size_t)json_integer_value(value);
    return true;
}

static bool read_type(const json_t *value, enum gb_element_type *type) {
    for (size_t i = 0; i < sizeof element_types / sizeof *element_types; i++) {
        if (json_is_string(value) && strcmp(json_string_value(value), element_types[i].name) == 0) {
            *type = (enum gb_element_type)i;
            return true;
        }
    }
    return false;
}

// Also fills in the number of elements; false where the product does not fit.
static bool read_shape(const json_t *value, struct gb_stored_tensor *tensor) {
    if (!json_is_array(value) || json_array_size(value) > GB_SAFETENSORS_DIMS)
        return false;
    tensor->dims = (int)json_array_size(value);
    tensor->elements = 1;
    for (int i = 0; i < tensor->dims; i++) {
        size_t *size = &tensor->shape[i];
        if (!read_size(json_array_get(value, (size_t)i), size) ||
            __builtin_mul_overflow(tensor->elements, *size, &tensor->elements))
            return false;
    }
    return true;
}

static enum gb_status read_tensor(const struct gb_safetensors *file, size_t data_offset,
                                  json_t *fields, struct gb_stored_tensor *tensor) {
    if (!json_is_object(fields) || json_object_size(fields) != 3)
        return bad_tensor(file->path, tensor->name,
                          "is not described by dtype, shape and data_offsets alone");
    if (!read_type(json_object_get(fields, "dtype"), &tensor->type))
        return bad_tensor(file->path, tensor->name, "dtype is not F32, F64 or I64");
    if (!read_shape(json_object_get(fields, "shape"), tensor))
        return bad_tensor(file->path, tensor->name,
                          "shape is not a list of at most 8 sizes with a product below 2^64");
    json_t *offsets = json_object_get(fields, "data_offsets");
    size_t begin, end;
    if (!json_is_array(offsets) || json_array_size(offsets) != 2 ||
        !read_size(json_array_get(offsets, 0), &begin) ||
        !read_size(json_array_get(offsets, 1), &end) || begin > end)
        return bad_tensor(file->path, tensor->name, "data_offsets are not a begin and an end");
    if (end > file->bytes - data_offset)
        return bad_tensor(file->path, tensor->name, "ends beyond the file: truncated?");
    size_t bytes;
    if (__builtin_mul_overflow(tensor->elements, element_types[tensor->type].bytes, &bytes) ||
        bytes != end - begin)
        return bad_tensor(file->path, tensor->name, "data_offsets do not fit dtype and shape");
    tensor->data = (const char *)file->mapping + data_offset + begin;
    return GB_OK;
}

static const char *data_end(const struct gb_stored_tensor *tensor) {
    return (const char *)tensor->data + tensor->elements * element_types[tensor->type].bytes;
}

// An empty tensor comes before the one that begins at the same offset.
static int by_place(const void *left, const void *right) {
    const struct gb_stored_tensor *a = left, *b = right;
    const char *a_begin = a->data, *b_begin = b->data;
    if (a_begin != b_begin)
        return a_begin < b_begin ? -1 : 1;
    return (data_end(a) > data_end(b)) - (data_end(a) < data_end(b));
}

static int by_name(const void *left, const void *right) {
    const struct gb_stored_tensor *a = left, *b = right;
    return strcmp(a->name, b->name);
}

// The tensors make up the data without gaps, overlaps or a rest.
static enum gb_status check_places(struct gb_safetensors *file, size_t data_offset) {
    qsort(file->list, file->count, sizeof *file->list, by_place);
    const char *end = (const char *)file->mapping + data_offset;
    for (size_t i = 0; i < file->count; i++) {
        const struct gb_stored_tensor *tensor = &file->list[i];
        if ((const char *)tensor->data != end)
            return bad_tensor(file->path, tensor->name,
                              (const char *)tensor->data < end ? "overlaps another"
                                                               : "follows a hole in the data");
        end = data_end(tensor);
    }
    size_t rest = (size_t)((const char *)file->mapping + file->bytes - end);
    if (rest)
        return gb_fail(GB_BAD_INPUT, reading, file->path, "%zu bytes after the last tensor", rest);
    return GB_OK;
}

static enum gb_status read_file(struct gb_safetensors *file) {
    GB_TRY(map_file(file));
    size_t data_offset = 0;
    GB_TRY(parse_header(file, &data_offset));
    file->list = calloc(json_object_size(file->header) + 1, sizeof *file->list);
    if (!file->list)
        return gb_no_memory(reading, file->path);
    const char *name;
    json_t *value;
    json_object_foreach(file->header, name, value) {
        if (strcmp(name, metadata_name) == 0) {
            GB_TRY(check_metadata(file, value));
        } else {
            struct gb_stored_tensor *tensor = &file->list[file->count];
            tensor->name = name;
            GB_TRY(read_tensor(file, data_offset, value, tensor));
            file->count++;
        }
    }
    GB_TRY(check_places(file, data_offset));
    qsort(file->list, file->count, sizeof *file->list, by_name);
    return GB_OK;
}

enum gb_status gb_safetensors_open(struct gb_safetensors *file, const char *path) {
    *file = (struct gb_safetensors){.path = strdup(path)};
    if (!file->path)
        return gb_no_memory(reading, path);
    enum gb_status status = read_file(file);
    if (status != GB_OK)
        gb_safetensors_close(file);
    return status;
}

void gb_safetensors_close(struct gb_safetensors *file) {
    if (file->mapping)
        munmap(file->mapping, file->bytes);
    json_decref(file->header);
    free(file->list);
    free(file->path);
    *file = (struct gb_safetensors){0};
}

const struct gb_stored_tensor *gb_safetensors_find(const struct gb_safetensors *file,
                                                   const char *name) {
    struct gb_stored_tensor key = {.name = name};
    return bsearch(&key, file->list, file->count, sizeof *file->list, by_name);
}

const json_t *gb_safetensors_metadata(const struct gb_safetensors *file) {
    return json_object_get(file->header, metadata_name);
}

void gb_stored_floats(const struct gb_stored_tensor *tensor, float *elements) {
    if (tensor->type == GB_ELEMENT_F32) {
        memcpy(elements, tensor->data, tensor->elements * sizeof *elements);
        return;
    }
    for (size_t i = 0; i < tensor->elements; i++) {
        union {
            double real;
            int64_t integer;
        } value;
        memcpy(&value, (const char *)tensor->data + i * sizeof value, sizeof value);
        elements[i] = tensor->type == GB_ELEMENT_F64 ? (float)value.real : (float)value.integer;
    }
}

static size_t entry_elements(const struct gb_tensor_entry *entry) {
    size_t elements = 1;
    for (int i = 0; i < entry->dims; i++)
        elements *= entry->shape[i];
    return elements;
}

static json_t *entry_fields(const struct gb_tensor_entry *entry, size_t begin) {
    json_t *shape = json_array();
    for (int i = 0; i < entry->dims; i++)
        if (json_array_append_new(shape, json_integer((json_int_t)entry->shape[i])) != 0) {
            json_decref(shape);
            return NULL;
        }
    size_t end = begin + entry_elements(entry) * sizeof(float);
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", "F32", "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)end);
}

// The header as text, NULL when memory ran out.
static char *make_header(const struct gb_tensor_entry *list, size_t count, const json_t *metadata) {
    json_t *header = json_object();
    if (metadata)
        json_object_set_new(header, metadata_name, gb_json_copy(metadata));
    size_t begin = 0;
    for (size_t i = 0; i < count; i++) {
        assert(list[i].dims >= 0 && list[i].dims <= GB_SAFETENSORS_DIMS);
        assert(!json_object_get(header, list[i].name));
        if (json_object_set_new(header, list[i].name, entry_fields(&list[i], begin)) != 0)
            break;
        begin += entry_elements(&list[i]) * sizeof(float);
    }
    bool complete = json_object_size(header) == count + (metadata != NULL);
    char *text = complete ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    return text;
}

enum gb_status gb_safetensors_begin(struct gb_safetensors_writer *writer, const char *path,
                                    const struct gb_tensor_entry *list, size_t count,
                                    const json_t *metadata) {
    *writer = (struct gb_safetensors_writer){.list = list, .count = count};
    char *header = make_header(list, count, metadata);
    if (!header)
        return gb_no_memory("cannot write tensors", path);
    enum gb_status status = gb_atomic_open(&writer->file, path);
    if (status == GB_OK) {
        int used = (int)strlen(header);
        uint64_t length = gb_round_up(LENGTH_BYTES + (size_t)used, DATA_ALIGNMENT) - LENGTH_BYTES;
        fwrite(&length, sizeof length, 1, writer->file.stream);
        fprintf(writer->file.stream, "%-*s", (int)length, header);
    }
    free(header);
    return status;
}

void gb_safetensors_append(struct gb_safetensors_writer *writer, const float *elements) {
    assert(writer->next < writer->count);
    size_t count = entry_elements(&writer->list[writer->next++]);
    fwrite(elements, sizeof *elements, count, writer->file.stream);
}

enum gb_status gb_safetensors_commit(struct gb_safetensors_writer *writer) {
    assert(writer->next == writer->count);
    return gb_atomic_commit(&writer->file);
}

void gb_safetensors_abort(struct gb_safetensors_writer *writer) {
    gb_atomic_abort(&writer->file);
}
