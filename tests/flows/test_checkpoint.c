// SPDX-License-Identifier: MIT
// Checkpoints: every bit of parameters and moments comes back, on any backend; whatever is wrong
// with a file is said in one line and changes nothing.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "flows/files/checkpoint.h"
#include "flows/files/metadata.h"
#include "flows/files/safetensors.h"
#include "flows/models/model.h"
#include "tests/support/fixture.h"
#include "tests/support/test.h"

static const char name[] = "checkpoint.safetensors";
static const char *path(void) {
    return gb_fixture_path(name);
}

GB_TEST_GROUP(gb_fixture_setup, gb_fixture_teardown_one_file)

// ---- A model of one parameter of every kind ----

enum variant { USUAL, WIDER, SHORTER };

struct model {
    struct gb_params params;
    struct gb_conv_plan conv;
    struct gb_fc_plan fc;
};

static void add(struct model *model, const struct gb_param *param) {
    int index;
    assert_ok(gb_params_add(&model->params, param, &index));
}

static void build(struct model *model, const struct gb_backend *backend, enum variant variant,
                  bool moments) {
    *model = (struct model){.params.backend = backend};
    const int k = variant == WIDER ? 12 : 10;
    const struct gb_conv_problem conv = {2, 8, 8, 5, k, 3, 3, 1, 1, 1, 1, GB_IDENTITY, GB_FLOATS};
    const struct gb_fc_problem fc = {.n = 2, .h = 2, .w = 3, .c = 4, .k = 6};
    assert_ok(backend->conv_plan(backend, &conv, 1, &model->conv));
    assert_ok(backend->fc_plan(backend, &fc, 1, &model->fc));
    struct gb_param weight = {
        "conv.weight", 4, {k, 5, 3, 3}, GB_LAYOUT_CONV, .plan.conv = &model->conv};
    add(model, &weight);
    strcpy(weight.name, "halves.weight");
    weight.halves = true;
    add(model, &weight);
    add(model, &(struct gb_param){.name = "halves.bias", .dims = 1, .shape = {k}, .halves = true});
    add(model, &(struct gb_param){"fc.weight", 2, {6, 24}, GB_LAYOUT_FC, .plan.fc = &model->fc});
    if (variant != SHORTER)
        add(model, &(struct gb_param){.name = "fc.bias", .dims = 1, .shape = {6}});
    assert_ok(gb_params_reserve(&model->params, false, moments));
}

static void destroy(struct model *model) {
    model->params.backend->conv_plan_free(&model->conv);
    model->params.backend->fc_plan_free(&model->fc);
    gb_params_free(&model->params);
}

enum { LARGEST = 12 * 5 * 3 * 3 };

// The value of an element, distinct from all others; none is negative.
static void make_elements(const struct gb_params *params, int block, int index, float *elements) {
    const struct gb_random_key key = {
        .seed = 7, .purpose = GB_RANDOM_TEST, .step = (uint32_t)block, .sample = (uint32_t)index};
    for (size_t i = 0; i < gb_param_elements(&params->list[index]); i++)
        elements[i] = gb_random_uniform(&key, (uint32_t)i);
}

static float *block_of(const struct gb_params *params, int block) {
    return (float *const[]){params->value, params->moment1, params->moment2}[block];
}

static void fill(struct gb_params *params) {
    float elements[LARGEST];
    for (int block = 0; block < (params->moment1 ? 3 : 1); block++)
        for (int i = 0; i < params->count; i++) {
            make_elements(params, block, i, elements);
            assert_ok(gb_params_import(params, i, elements, block_of(params, block)));
        }
}

static void assert_filled(const struct gb_params *params, int blocks) {
    float expected[LARGEST], found[LARGEST];
    for (int block = 0; block < blocks; block++)
        for (int i = 0; i < params->count; i++) {
            make_elements(params, block, i, expected);
            assert_ok(gb_params_export(params, i, block_of(params, block), found));
            assert_memory_equal(found, expected,
                                gb_param_elements(&params->list[i]) * sizeof *found);
        }
}

static void assert_untouched(const struct gb_params *params) {
    for (int block = 0; block < (params->moment1 ? 3 : 1); block++)
        for (size_t i = 0; i < params->size; i++)
            assert_true(block_of(params, block)[i] == 0);
}

static const struct gb_backend *scalar(void) {
    const struct gb_backend *backend;
    assert_ok(gb_backend_find("scalar", &backend));
    return backend;
}

static void save(const struct gb_params *params) {
    json_t *metadata = json_pack("{s:s}", "task", "none");
    assert_ok(gb_checkpoint_save(path(), params, metadata));
    assert_int_equal(json_object_size(metadata), 1);
    json_decref(metadata);
}

static void save_usual(enum variant variant, bool moments) {
    struct model model;
    build(&model, scalar(), variant, moments);
    fill(&model.params);
    save(&model.params);
    destroy(&model);
}

// Loading the file into the usual model fails for this reason and changes nothing.
static void assert_refused(enum gb_checkpoint_use use, const char *why) {
    struct model model;
    build(&model, scalar(), USUAL, true);
    assert_int_equal(gb_checkpoint_load(path(), &model.params, use), GB_BAD_INPUT);
    const char *message = gb_error_message();
    if (!strstr(message, path()) || !strstr(message, why) || strpbrk(message, "\n\r\033"))
        fail_msg("expected '%s' in: %s", why, message);
    assert_untouched(&model.params);
    destroy(&model);
}

// Overwrites one element of a tensor in the file.
static void patch(const char *name, size_t element, float value) {
    struct gb_safetensors file;
    assert_ok(gb_safetensors_open(&file, path()));
    const struct gb_stored_tensor *tensor = gb_safetensors_find(&file, name);
    assert_non_null(tensor);
    assert_true(element < tensor->elements);
    long place = (const char *)tensor->data - (const char *)file.mapping;
    gb_safetensors_close(&file);
    FILE *stream = fopen(path(), "r+b");
    assert_non_null(stream);
    fseek(stream, place + (long)(element * sizeof value), SEEK_SET);
    assert_int_equal(fwrite(&value, sizeof value, 1, stream), 1);
    fclose(stream);
}

// ---- Tests ----

GB_TEST(every_backend_reads_every_other) {
    for (const struct gb_backend *const *from = gb_backends(); *from; from++) {
        if (!gb_backend_supported(*from))
            continue;
        struct model saved;
        build(&saved, *from, USUAL, true);
        fill(&saved.params);
        save(&saved.params);
        destroy(&saved);
        for (const struct gb_backend *const *to = gb_backends(); *to; to++) {
            if (!gb_backend_supported(*to))
                continue;
            struct model loaded;
            build(&loaded, *to, USUAL, true);
            assert_ok(gb_checkpoint_load(path(), &loaded.params, GB_CHECKPOINT_RESUMED));
            assert_filled(&loaded.params, 3);
            destroy(&loaded);
        }
    }
}

GB_TEST(a_file_has_pytorchs_order_and_shape) {
    save_usual(USUAL, true);
    struct model model;
    build(&model, scalar(), USUAL, false);
    struct gb_safetensors file;
    assert_ok(gb_safetensors_open(&file, path()));
    assert_int_equal(file.count, 3 * model.params.count);
    for (int i = 0; i < model.params.count; i++) {
        const struct gb_param *param = &model.params.list[i];
        const struct gb_stored_tensor *tensor = gb_safetensors_find(&file, param->name);
        assert_non_null(tensor);
        assert_int_equal(tensor->dims, param->dims);
        float expected[LARGEST], found[LARGEST];
        make_elements(&model.params, 0, i, expected);
        gb_stored_floats(tensor, found);
        assert_memory_equal(found, expected, tensor->elements * sizeof *found);
    }
    gb_safetensors_close(&file);
    destroy(&model);
}

GB_TEST(moments_are_read_only_where_wanted) {
    struct model model;
    build(&model, scalar(), USUAL, true);
    save_usual(USUAL, true);
    assert_ok(gb_checkpoint_load(path(), &model.params, GB_CHECKPOINT_TRAINED));
    assert_filled(&model.params, 1);
    for (size_t i = 0; i < model.params.size; i++)
        assert_true(model.params.moment1[i] == 0 && model.params.moment2[i] == 0);
    destroy(&model);
    save_usual(USUAL, false);
    assert_refused(GB_CHECKPOINT_RESUMED, "there is no tensor 'adam.moment1.conv.weight'");
}

// Averages stand for the values where a model is to be used, and are read only where they are kept
// where training resumes.
GB_TEST(averages_are_what_a_model_is_used_with) {
    struct model averaged, used, resumed;
    build(&averaged, scalar(), USUAL, true);
    fill(&averaged.params);
    assert_ok(gb_params_keep_average(&averaged.params));
    float *value = averaged.params.value;
    for (size_t i = 0; i < averaged.params.size; i++)
        value[i] = 2 * value[i];
    save(&averaged.params);

    build(&used, scalar(), USUAL, false);
    assert_ok(gb_checkpoint_load(path(), &used.params, GB_CHECKPOINT_TRAINED));
    assert_filled(&used.params, 1);
    build(&resumed, scalar(), USUAL, true);
    assert_ok(gb_params_keep_average(&resumed.params));
    assert_ok(gb_checkpoint_load(path(), &resumed.params, GB_CHECKPOINT_RESUMED));
    const size_t bytes = averaged.params.bytes;
    assert_memory_equal(resumed.params.value, averaged.params.value, bytes);
    assert_memory_equal(resumed.params.moment2, averaged.params.moment2, bytes);
    assert_memory_equal(resumed.params.average, averaged.params.average, bytes);

    patch("average.fc.bias", 2, NAN);
    assert_refused(GB_CHECKPOINT_TRAINED, "'average.fc.bias' has a value that is not finite");
    // Some of the averages are none.
    size_t count;
    save(&averaged.params);
    char *file = gb_fixture_bytes(name, &count), *header = file + 8; // after its length
    char *tensor = strstr(header, "average.conv.weight");
    assert_non_null(tensor);
    memcpy(tensor, "elsewhere", 9);
    gb_fixture_file(name, file, count);
    free(file);
    assert_refused(GB_CHECKPOINT_TRAINED, "there is no tensor 'average.conv.weight'");
    save_usual(USUAL, true);
    assert_error(gb_checkpoint_load(path(), &resumed.params, GB_CHECKPOINT_RESUMED), GB_BAD_INPUT,
                 "there is no tensor 'average.conv.weight'");
    destroy(&averaged);
    destroy(&used);
    destroy(&resumed);
}

GB_TEST(another_models_file_is_refused) {
    save_usual(WIDER, true);
    assert_refused(GB_CHECKPOINT_RESUMED,
                   "tensor 'conv.weight' has shape [12, 5, 3, 3], the model's has [10, 5, 3, 3]");
    save_usual(SHORTER, true);
    assert_refused(GB_CHECKPOINT_TRAINED, "there is no tensor 'fc.bias'");

    save_usual(USUAL, true);
    struct model shorter;
    build(&shorter, scalar(), SHORTER, false);
    assert_error(gb_checkpoint_load(path(), &shorter.params, GB_CHECKPOINT_TRAINED), GB_BAD_INPUT,
                 "fc.bias' is not of this model");
    assert_untouched(&shorter.params);
    destroy(&shorter);
}

GB_TEST(bad_values_are_refused) {
    save_usual(USUAL, true);
    patch("fc.weight", 143, NAN);
    assert_refused(GB_CHECKPOINT_TRAINED, "tensor 'fc.weight' has a value that is not finite");
    save_usual(USUAL, true);
    patch("halves.bias", 0, -INFINITY);
    assert_refused(GB_CHECKPOINT_TRAINED, "tensor 'halves.bias' has a value that is not finite");
    save_usual(USUAL, true);
    patch("adam.moment1.fc.bias", 5, INFINITY);
    assert_refused(GB_CHECKPOINT_RESUMED,
                   "tensor 'adam.moment1.fc.bias' has a value that is not finite");
    save_usual(USUAL, true);
    patch("adam.moment2.fc.bias", 5, -1e-30f);
    assert_refused(GB_CHECKPOINT_RESUMED, "tensor 'adam.moment2.fc.bias' has a negative value");
}

GB_TEST(foreign_files_are_refused) {
    struct gb_safetensors_writer writer;
    assert_ok(gb_safetensors_begin(&writer, path(), NULL, 0, NULL));
    assert_ok(gb_safetensors_commit(&writer));
    assert_refused(GB_CHECKPOINT_TRAINED, "there is no 'checkpoint_version'");
    json_t *metadata = json_pack("{s:s}", "checkpoint_version", "2");
    assert_ok(gb_safetensors_begin(&writer, path(), NULL, 0, metadata));
    assert_ok(gb_safetensors_commit(&writer));
    json_decref(metadata);
    assert_refused(GB_CHECKPOINT_TRAINED, "its format is version 2, this program reads version 1");
    json_t *read;
    assert_int_equal(gb_checkpoint_metadata(path(), &read), GB_BAD_INPUT);
    unlink(path());
    assert_int_equal(gb_checkpoint_metadata(path(), &read), GB_IO_ERROR);
}

// A broken header loads whole or not at all.
GB_TEST(flipped_header_bytes_change_nothing_or_nothing_else) {
    save_usual(USUAL, true);
    size_t count;
    uint64_t length;
    char *good = gb_fixture_bytes(name, &count), *bytes = malloc(count);
    memcpy(&length, good, sizeof length);
    struct model model;
    build(&model, scalar(), USUAL, true);
    for (uint32_t round = 0; round < 2000; round++) {
        const struct gb_random_key key = {.seed = 2, .purpose = GB_RANDOM_TEST, .sample = round};
        uint32_t words[4];
        gb_philox(&key, 0, words);
        memcpy(bytes, good, count);
        bytes[words[0] % (sizeof length + length)] =
            words[1] % 2 ? "0123456789[]{}\",:a"[words[2] % 18] : (char)words[2];
        gb_fixture_file(name, bytes, count);
        memset(model.params.value, 0, model.params.bytes);
        if (gb_checkpoint_load(path(), &model.params, GB_CHECKPOINT_TRAINED) == GB_OK)
            assert_filled(&model.params, 1);
        else
            assert_untouched(&model.params);
    }
    destroy(&model);
    free(good);
    free(bytes);
}

GB_TEST(a_failed_save_keeps_the_former_file) {
    save_usual(USUAL, true);
    struct model model;
    build(&model, scalar(), USUAL, false);
    fill(&model.params);
    model.params.value[model.params.list[4].offset] = NAN;
    json_t *metadata = json_object();
    assert_error(gb_checkpoint_save(path(), &model.params, metadata), GB_CHECK_FAILED,
                 "'fc.bias' has a value that is not finite");
    fill(&model.params);
    const char *below_a_file = gb_fixture_name("%s/checkpoint.safetensors", path());
    assert_error(gb_checkpoint_save(below_a_file, &model.params, metadata), GB_IO_ERROR,
                 below_a_file);
    json_decref(metadata);
    destroy(&model);

    build(&model, scalar(), USUAL, true);
    assert_ok(gb_checkpoint_load(path(), &model.params, GB_CHECKPOINT_RESUMED));
    assert_filled(&model.params, 3);
    destroy(&model);
}

// The configurations themselves are written and read in test_models.c.
GB_TEST(metadata_holds_any_integer) {
    uint64_t seed;
    json_t *metadata = json_object();
    assert_ok(gb_metadata_set_integer(metadata, "seed", UINT64_MAX));
    assert_ok(gb_metadata_integer(metadata, "some/file", "seed", 0, UINT64_MAX, &seed));
    assert_true(seed == UINT64_MAX);
    json_decref(metadata);
}

GB_TEST(text_that_is_not_utf8_is_reported) {
    static const char *const good[] = {"", "plain", "\xc3\xa9", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"};
    static const struct {
        const char *text, *mended;
    } bad[] = {{"caf\xe9", "caf?"},
               {"\xc3", "?"},
               {"\xc0\xaf.", "??."},
               {"\xe0\x80\xaf", "???"},
               {"\xed\xa0\x80", "???"},
               {"\xf4\x90\x80\x80", "????"},
               {"\xc3\xa9\xe2\x82", "\xc3\xa9??"}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(gb_is_utf8(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[16];
        assert_false(gb_is_utf8(bad[i].text));
        strcpy(text, bad[i].text);
        gb_make_utf8(text);
        assert_string_equal(text, bad[i].mended);
    }
    json_t *metadata = json_object();
    assert_error(gb_metadata_set_string(metadata, "data", "caf\xe9"), GB_BAD_INPUT,
                 "data: the value is not UTF-8");
    json_decref(metadata);
}

GB_TEST(a_strange_configuration_is_refused) {
    static const struct gb_cglow_config sample_config = {
        {64, 48, 3, 32, 24, 1}, 3, 8, 64, 128, 256, 16, GB_CGLOW_PUBLISHED};
    static const struct {
        const char *key, *text, *why;
    } cases[] = {
        {"model", "cnf", "'model' is 'cnf'"},
        {"init", "dead", "'init' is 'dead'"},
        {"levels", NULL, "there is no 'levels'"},
        {"levels", "", "'levels' is ''"},
        {"levels", "0", "not an integer from 1"},
        {"levels", "-1", "'levels' is '-1'"},
        {"levels", "+1", "'levels' is '+1'"},
        {"levels", " 1", "'levels' is ' 1'"},
        {"levels", "1 ", "'levels' is '1 '"},
        {"levels", "1\n2", "'levels' is '1?2'"},
        {"levels", "0x1", "'levels' is '0x1'"},
        {"levels", "1.0", "'levels' is '1.0'"},
        {"n_w", "65537", "from 1 to 65536"},
        {"n_w", "18446744073709551617", "from 1 to 65536"},
        {"n_w", "18446744073709551620", "from 1 to 65536"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *metadata = json_object();
        assert_ok(gb_config_to_metadata(&sample_config, gb_cglow_model.table, metadata));
        if (cases[i].text)
            assert_ok(gb_metadata_set_string(metadata, cases[i].key, cases[i].text));
        else
            json_object_del(metadata, cases[i].key);
        struct gb_cglow_config config = {.levels = -7};
        assert_int_equal(
            gb_config_from_metadata(metadata, "some/file", gb_cglow_model.table, &config),
            GB_BAD_INPUT);
        assert_message("some/file", cases[i].why);
        assert_int_equal(config.levels, -7);
        json_decref(metadata);
    }
    struct gb_cglow_config config;
    assert_int_equal(gb_config_from_metadata(NULL, "some/file", gb_cglow_model.table, &config),
                     GB_BAD_INPUT);
}
