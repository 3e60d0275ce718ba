// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "tests/support/test.h"

struct given {
    const char *task, *data, *init;
    const char *runs[8], *costs[8];
    int run_count, cost_count, iterations, threads;
    float rate;
    uint64_t seed;
    bool resume, helped;
};

static const struct given defaults = {.init = "live", .iterations = 100, .rate = 0.5f, .seed = 1};
static const struct gb_command command = {"train", "Trains", NULL, true, false};

static enum gb_status parse(struct given *given, int count, const char **words) {
    *given = defaults;
    const char *argv[16] = {"train"};
    memcpy(argv + 1, words, (size_t)count * sizeof *words);
    const struct gb_option options[] = {
        gb_operand("TASK", &given->task, "a task"),
        gb_option_string("data", "DIR", &given->data, "a folder"),
        gb_option_choice("init", "live|published", &given->init, "a choice"),
        gb_option_int("iters", "N", &given->iterations, -5, INT32_MAX, "a number"),
        gb_option_int("threads", "N", &given->threads, 1, 64, "a number without a default"),
        gb_option_float("lr", "R", &given->rate, 0, 1, "a real number"),
        gb_option_seed("seed", "N", &given->seed, "a seed"),
        gb_option_flag("resume", &given->resume, "a flag"),
        gb_option_list("cost", "X", given->costs, &given->cost_count, "a list"),
        gb_operand_list("RUN", given->runs, &given->run_count, "folders"),
        {0},
    };
    return gb_options_parse(&command, options, count + 1, argv, &given->helped);
}

#define PARSE(given, ...)                                                                          \
    parse(given, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *),                           \
          (const char *[]){__VA_ARGS__})

GB_TEST(values_are_stored) {
    struct given given;
    assert_ok(PARSE(&given, "--seed=9223372036854775807", "horses", "--iters", "-5", "a",
                    "--lr=1e-3", "--resume", "--init", "published", "--data=x=y", "--", "--b"));
    assert_string_equal(given.task, "horses");
    assert_string_equal(given.data, "x=y");
    assert_string_equal(given.init, "published");
    assert_int_equal(given.iterations, -5);
    assert_true(given.rate == 1e-3f);
    assert_true(given.seed == INT64_MAX);
    assert_true(given.resume);
    assert_int_equal(given.run_count, 2);
    assert_string_equal(given.runs[0], "a");
    assert_string_equal(given.runs[1], "--b");
    assert_false(given.helped);
}

GB_TEST(what_is_not_given_keeps_its_default) {
    struct given given;
    assert_ok(PARSE(&given, "horses", "a"));
    assert_null(given.data);
    assert_string_equal(given.init, defaults.init);
    assert_int_equal(given.iterations, defaults.iterations);
    assert_true(given.rate == defaults.rate);
    assert_true(given.seed == defaults.seed);
    assert_false(given.resume);
}

GB_TEST(the_last_of_a_repeated_option_counts) {
    struct given given;
    assert_ok(PARSE(&given, "horses", "a", "--iters=1", "--iters=2"));
    assert_int_equal(given.iterations, 2);
}

GB_TEST(lists_keep_every_value_in_order) {
    struct given given;
    assert_ok(PARSE(&given, "horses", "--cost", "a=1", "a", "--cost=b=2"));
    assert_int_equal(given.cost_count, 2);
    assert_string_equal(given.costs[0], "a=1");
    assert_string_equal(given.costs[1], "b=2");
}

GB_TEST(bad_lines_are_refused_by_name) {
    const struct {
        const char *word, *message;
    } rows[] = {
        {"--iters=12x", "bad value: --iters: \"12x\" is not an integer"},
        {"--iters=", "bad value: --iters: \"\" is not an integer"},
        {"--iters= 5", "bad value: --iters: \" 5\" is not an integer"},
        {"--iters=1.5", "bad value: --iters: \"1.5\" is not an integer"},
        {"--iters=-6", "bad value: --iters: \"-6\" is not in -5 .. 2147483647"},
        {"--iters=2147483648", "bad value: --iters: \"2147483648\" is not in -5 .. 2147483647"},
        {"--iters=99999999999999999999",
         "bad value: --iters: \"99999999999999999999\" is not in -5 .. 2147483647"},
        {"--threads=0", "bad value: --threads: \"0\" is not in 1 .. 64"},
        {"--lr=nan", "bad value: --lr: \"nan\" is not a number"},
        {"--lr=", "bad value: --lr: \"\" is not a number"},
        {"--lr=inf", "bad value: --lr: \"inf\" is not in 0 .. 1"},
        {"--lr=-0.1", "bad value: --lr: \"-0.1\" is not in 0 .. 1"},
        {"--seed=-1", "bad value: --seed: \"-1\" is not an integer"},
        {"--seed=0x1", "bad value: --seed: \"0x1\" is not an integer"},
        {"--seed=9223372036854775808",
         "bad value: --seed: \"9223372036854775808\" does not fit in 63 bits"},
        {"--init=pub", "bad value: --init: \"pub\" is not one of live|published"},
        {"--init=", "bad value: --init: \"\" is not one of live|published"},
        {"--data=", "bad value: --data: \"\" is empty"},
        {"--cost=", "bad value: --cost: \"\" is empty"},
        {"--data=caf\xe9", "bad value: --data: \"caf\xe9\" is not UTF-8"},
        {"--nothing", "unknown option: --nothing: see glowbench train --help"},
        {"-n", "unknown option: -n: see glowbench train --help"},
        {"--data", "missing argument: --data: see glowbench train --help"},
        {"--resume=1", "bad option: --resume=1: option does not take an argument"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct given given;
        assert_int_equal(PARSE(&given, "horses", "a", rows[i].word), GB_BAD_INPUT);
        assert_string_equal(gb_error_message(), rows[i].message);
    }
}

GB_TEST(operands_must_be_as_many_as_declared) {
    struct given given;
    assert_int_equal(parse(&given, 0, (const char *[]){NULL}), GB_BAD_INPUT);
    assert_string_equal(gb_error_message(), "missing operand: TASK: see glowbench train --help");
    assert_int_equal(PARSE(&given, "horses"), GB_BAD_INPUT);
    assert_string_equal(gb_error_message(), "missing operand: RUN: see glowbench train --help");

    const char *word;
    const struct gb_option one[] = {gb_operand("TASK", &word, "a task"), {0}};
    const char *argv[] = {"train", "horses", "lfw", NULL};
    bool helped;
    assert_int_equal(gb_options_parse(&command, one, 3, argv, &helped), GB_BAD_INPUT);
    assert_string_equal(gb_error_message(), "unexpected argument: lfw: see glowbench train --help");
}
