// SPDX-License-Identifier: MIT
// The tensor container: what is written is read back, and no file, however broken, is more than an
// error message.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "flows/files/safetensors.h"
#include "kernels/random/random.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"

static const char name[] = "file.safetensors";
static const char *path(void) {
    return gb_fixture_path(name);
}

GB_TEST_GROUP(gb_fixture_setup, gb_fixture_teardown_one_file)

// A file with this header and `data` zero bytes behind it.
static void write_header(const char *header, size_t data) {
    uint64_t length = strlen(header);
    size_t count = sizeof length + (size_t)length + data;
    char *bytes = calloc(1, count);
    memcpy(bytes, &length, sizeof length);
    memcpy(bytes + sizeof length, header, (size_t)length);
    gb_fixture_file(name, bytes, count);
    free(bytes);
}

static void assert_refused(const char *why) {
    struct gb_safetensors file;
    assert_int_equal(gb_safetensors_open(&file, path()), GB_BAD_INPUT);
    const char *message = gb_error_message();
    if (!strstr(message, path()) || !strstr(message, why) || strpbrk(message, "\n\r\033"))
        fail_msg("expected '%s' in: %s", why, message);
}

static const struct gb_tensor_entry sample_entries[] = {
    {.name = "b.weight", .dims = 4, .shape = {2, 3, 1, 1}},
    {.name = "a.empty", .dims = 2, .shape = {0, 7}},
    {.name = "a.scalar"},
    {.name = "a.bias", .dims = 1, .shape = {3}},
};
enum { SAMPLE_ENTRIES = 4 };
static const float sample_values[] = {1, -2, 3.5f, 0, 1e-40f, 3e38f};

static enum gb_status write_sample(const char *where) {
    json_t *metadata = json_pack("{s:s, s:s}", "model", "none", "title", "gl\xc3\xbchwurm \"1\"");
    struct gb_safetensors_writer writer;
    enum gb_status status =
        gb_safetensors_begin(&writer, where, sample_entries, SAMPLE_ENTRIES, metadata);
    json_decref(metadata);
    if (status != GB_OK)
        return status;
    for (int i = 0; i < SAMPLE_ENTRIES; i++)
        gb_safetensors_append(&writer, sample_values);
    return gb_safetensors_commit(&writer);
}

GB_TEST(what_is_written_is_read) {
    assert_ok(write_sample(path()));
    struct gb_safetensors file;
    assert_ok(gb_safetensors_open(&file, path()));
    assert_int_equal(file.count, SAMPLE_ENTRIES);
    for (size_t i = 1; i < file.count; i++)
        assert_true(strcmp(file.list[i - 1].name, file.list[i].name) < 0);
    for (int i = 0; i < SAMPLE_ENTRIES; i++) {
        const struct gb_tensor_entry *entry = &sample_entries[i];
        const struct gb_stored_tensor *tensor = gb_safetensors_find(&file, entry->name);
        assert_non_null(tensor);
        assert_int_equal(tensor->type, GB_ELEMENT_F32);
        assert_int_equal(tensor->dims, entry->dims);
        assert_memory_equal(tensor->shape, entry->shape, sizeof tensor->shape);
        float values[6];
        gb_stored_floats(tensor, values);
        assert_memory_equal(values, sample_values, tensor->elements * sizeof *values);
    }
    assert_null(gb_safetensors_find(&file, "c"));
    const json_t *metadata = gb_safetensors_metadata(&file);
    assert_string_equal(json_string_value(json_object_get(metadata, "title")),
                        "gl\xc3\xbchwurm \"1\"");
    size_t data = (size_t)((const char *)gb_safetensors_find(&file, "b.weight")->data -
                           (const char *)file.mapping);
    assert_int_equal(data % 64, 0);
    gb_safetensors_close(&file);
}

GB_TEST(the_same_content_gives_the_same_bytes) {
    size_t first_count, second_count;
    assert_ok(write_sample(path()));
    char *first = gb_fixture_bytes(name, &first_count);
    assert_ok(write_sample(path()));
    char *second = gb_fixture_bytes(name, &second_count);
    assert_int_equal(first_count, second_count);
    assert_memory_equal(first, second, first_count);
    free(first);
    free(second);
}

GB_TEST(other_types_are_rounded_to_float) {
    static const char header[] =
        "{\"i\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[0,16]},"
        "\"d\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[16,24]}}";
    struct {
        uint64_t length;
        char header[sizeof header - 1];
        char data[24];
    } __attribute__((packed)) content = {.length = sizeof header - 1};
    memcpy(content.header, header, sizeof content.header);
    memcpy(content.data, (const int64_t[]){-3, 1 << 20}, 16);
    memcpy(content.data + 16, &(const double){0.1}, 8);
    gb_fixture_file(name, &content, sizeof content);
    struct gb_safetensors file;
    assert_ok(gb_safetensors_open(&file, path()));
    float values[2];
    gb_stored_floats(gb_safetensors_find(&file, "i"), values);
    assert_true(values[0] == -3 && values[1] == 1 << 20);
    gb_stored_floats(gb_safetensors_find(&file, "d"), values);
    assert_true(values[0] == 0.1f);
    assert_null(gb_safetensors_metadata(&file));
    gb_safetensors_close(&file);
}

GB_TEST(no_tensors_are_a_file_too) {
    struct gb_safetensors file;
    write_header("{}", 0);
    assert_ok(gb_safetensors_open(&file, path()));
    assert_int_equal(file.count, 0);
    assert_null(gb_safetensors_find(&file, ""));
    gb_safetensors_close(&file);
}

#define TENSOR(name, dtype, shape, offsets)                                                        \
    "\"" name "\":{\"dtype\":" dtype ",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define ONE(dtype, shape, offsets) "{" TENSOR("a", dtype, shape, offsets) "}"

GB_TEST(broken_headers_are_refused) {
    static const struct {
        const char *header;
        size_t data;
        const char *why;
    } cases[] = {
        {"", 0, "not a JSON object"},
        {"[]", 0, "not a JSON object"},
        {" {}", 0, "not a JSON object"},
        {"{", 0, "header, byte"},
        {"{}x", 0, "header, byte"},
        {"{\"a\n\033\":1}", 0, "header, byte"},
        {"{\"a\xff\":1}", 0, "unable to decode byte 0xff"},
        {"{\"a\\u0000\":1}", 0, "header, byte"},
        {"{}", 4, "4 bytes after the last tensor"},
        {"{\"__metadata__\":3}", 0, "__metadata__ is not an object"},
        {"{\"__metadata__\":{\"k\":3}}", 0, "__metadata__: 'k' is not a string"},
        {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, "duplicate"},
        {"{\"a\":3}", 0, "'a': is not described"},
        {"{\"a\":{}}", 0, "'a': is not described"},
        {"{\"a\\n\\u001b[2J\":{}}", 0, "'a??[2J': is not described"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}", 4,
         "'a': is not described"},
        {ONE("\"BF16\"", "[1]", "[0,2]"), 2, "'a': dtype"},
        {ONE("32", "[1]", "[0,4]"), 4, "'a': dtype"},
        {ONE("\"F32\"", "1", "[0,4]"), 4, "'a': shape"},
        {ONE("\"F32\"", "[-1]", "[0,4]"), 4, "'a': shape"},
        {ONE("\"F32\"", "[1.0]", "[0,4]"), 4, "'a': shape"},
        {ONE("\"F32\"", "[\"1\"]", "[0,4]"), 4, "'a': shape"},
        {ONE("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4, "'a': shape"},
        {ONE("\"F32\"", "[4294967296,4294967296]", "[0,4]"), 4, "'a': shape"},
        {ONE("\"F32\"", "[4611686018427387905]", "[0,4]"), 4, "'a': data_offsets do not fit"},
        {ONE("\"F32\"", "[2]", "[0,4]"), 4, "'a': data_offsets do not fit"},
        {ONE("\"F64\"", "[1]", "[0,4]"), 4, "'a': data_offsets do not fit"},
        {ONE("\"F32\"", "[1]", "[0]"), 4, "'a': data_offsets are not"},
        {ONE("\"F32\"", "[1]", "[4,0]"), 4, "'a': data_offsets are not"},
        {ONE("\"F32\"", "[1]", "[-4,0]"), 4, "'a': data_offsets are not"},
        {ONE("\"F32\"", "[1]", "[0,4]"), 3, "'a': ends beyond the file"},
        {ONE("\"F32\"", "[1]", "[4,8]"), 8, "'a': follows a hole"},
        {ONE("\"F32\"", "[1]", "[0,4]"), 8, "4 bytes after the last tensor"},
        {"{" TENSOR("a", "\"F32\"", "[2]", "[0,8]") "," TENSOR("b", "\"F32\"", "[1]", "[4,8]") "}",
         8, "'b': overlaps"},
        {"{" TENSOR("b", "\"F32\"", "[1]", "[0,4]") "," TENSOR("a", "\"F32\"", "[1]", "[8,12]") "}",
         12, "'a': follows a hole"},
        {"{" TENSOR("a", "\"F32\"", "[1]", "[0,4]") "," TENSOR("a", "\"F32\"", "[1]", "[4,8]") "}",
         8, "duplicate"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_header(cases[i].header, cases[i].data);
        assert_refused(cases[i].why);
    }
}

GB_TEST(foreign_files_are_refused) {
    gb_fixture_file(name, "\x89PNG\r\n\x1a\n\0\0\0\rIHDR", 16);
    assert_refused("is not a safetensors file: a header of");
    gb_fixture_file(name, "", 0);
    assert_refused("only 0 bytes");
    gb_fixture_file(name, "1234567", 7);
    assert_refused("only 7 bytes");
    const uint64_t longest = UINT64_MAX, long_enough = 100000000;
    gb_fixture_file(name, &longest, sizeof longest);
    assert_refused("is not a safetensors file: a header of");
    gb_fixture_file(name, &long_enough, sizeof long_enough);
    assert_refused("is truncated");
    static const struct {
        const char bytes[32], *what;
    } formats[] = {{"PK\3\4\24\0\0\0archive/data.pkl", "a zip archive, as PyTorch's .pt"},
                   {"\x80\2\x8a\nl\xfc\x9c\x46\xf9 j", "a Python pickle"},
                   {"\x89HDF\r\n\x1a\n\0\0\0\0", "an HDF5 file"},
                   {"\x93NUMPY\1\0\x76\0{'descr'", "a NumPy array"},
                   {"version https://git-lfs", "a pointer of Git LFS"},
                   {"<!DOCTYPE html><html>", "a web page"},
                   {"GGUF\3\0\0\0\1\0\0\0", "a GGUF file"},
                   {"\x1f\x8b\10\0\0\0\0\0\0\3", "compressed by gzip"},
                   {"\1\0\0\0\0\0\0\0text", "the header is not a JSON object"}};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        gb_fixture_file(name, formats[i].bytes, 12);
        assert_refused("is not a safetensors file");
        assert_refused(formats[i].what);
    }

    struct gb_safetensors file;
    assert_error(gb_safetensors_open(&file, gb_fixture_path("")), GB_BAD_INPUT,
                 "not a regular file");
    assert_int_equal(gb_safetensors_open(&file, "/dev/null"), GB_BAD_INPUT);
    assert_error(gb_safetensors_open(&file, "/nowhere/file"), GB_IO_ERROR,
                 "/nowhere/file: No such file");
}

// No prefix of a good file is one.
GB_TEST(truncation_is_noticed_everywhere) {
    assert_ok(write_sample(path()));
    size_t count;
    char *bytes = gb_fixture_bytes(name, &count);
    for (size_t kept = 0; kept < count; kept++) {
        gb_fixture_file(name, bytes, kept);
        assert_refused("");
    }
    free(bytes);
}

// Whatever stands in the header, the reader returns; what it accepts lies inside the file.
GB_TEST(flipped_bytes_never_crash_the_reader) {
    assert_ok(write_sample(path()));
    size_t count;
    char *good = gb_fixture_bytes(name, &count), *bytes = malloc(count);
    uint64_t length;
    memcpy(&length, good, sizeof length);
    int accepted = 0;
    for (uint32_t round = 0; round < 4000; round++) {
        const struct gb_random_key key = {.seed = 1, .purpose = GB_RANDOM_TEST, .sample = round};
        memcpy(bytes, good, count);
        uint32_t words[4];
        for (uint32_t flip = 0; flip <= round % 4; flip++) {
            gb_philox(&key, flip, words);
            // Often a digit, a bracket or a quote, which leave the JSON whole more often than a
            // bit.
            char byte = words[1] % 2 ? "0123456789[]{}\",:\\"[words[2] % 18] : (char)words[2];
            bytes[words[0] % (sizeof length + length)] = byte;
        }
        gb_fixture_file(name, bytes, count);
        struct gb_safetensors file;
        if (gb_safetensors_open(&file, path()) != GB_OK)
            continue;
        accepted++;
        for (size_t i = 0; i < file.count; i++) {
            float values[8];
            assert_true(file.list[i].elements <= 8);
            gb_stored_floats(&file.list[i], values);
        }
        gb_safetensors_close(&file);
    }
    assert_true(accepted > 10); // the loop reaches beyond the parser
    free(good);
    free(bytes);
}

GB_TEST(a_failed_write_leaves_no_file) {
    gb_fixture_file(name, "old", 3);
    const char *below_a_file = gb_fixture_name("%s/x.safetensors", path());
    assert_error(write_sample(below_a_file), GB_IO_ERROR, below_a_file);
    assert_int_equal(write_sample(gb_fixture_path("")), GB_BAD_INPUT);

    // A limit on the file's size stands for a full disk.
    struct rlimit limit, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 100;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    enum gb_status status = write_sample(path());
    setrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, handler);
    assert_error(status, GB_IO_ERROR, path());
    size_t count;
    char *bytes = gb_fixture_bytes(name, &count);
    assert_int_equal(count, 3);
    free(bytes);

    struct gb_safetensors_writer writer;
    assert_ok(gb_safetensors_begin(&writer, path(), sample_entries, SAMPLE_ENTRIES, NULL));
    gb_safetensors_append(&writer, sample_values);
    gb_safetensors_abort(&writer);
    free(gb_fixture_bytes(name, &count));
    assert_int_equal(count, 3);
}
