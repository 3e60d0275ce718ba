// SPDX-License-Identifier: MIT
// A command's options and operands as one table, bound to variables and parsed by one call:
//
//     struct { const char *task, *data; int iterations; } given = {.iterations = 100};
//     const struct gb_option options[] = {
//         gb_operand("TASK", &given.task, "what to train; glowbench list names them"),
//         gb_option_string("data", "DIR", &given.data, "the dataset (default: synthetic data)"),
//         gb_option_int("iters", "N", &given.iterations, 1, INT_MAX, "training steps"),
//         {0},
//     };
//     bool helped;
//     GB_TRY(gb_options_parse(&gb_train_command, options, argc, argv, &helped));
//     if (helped)
//         return GB_OK;
//
// A variable whose option is not given keeps its value, which is the default and is shown in the
// help. An initial value outside the option's range (0 threads, a NaN) and a NULL string mean "not
// given"; the help then shows no default.
#ifndef GB_OPTIONS_H
#define GB_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/command.h"

enum gb_option_type {
    GB_OPTION_STRING,
    GB_OPTION_CHOICE,
    GB_OPTION_INT,
    GB_OPTION_FLOAT,
    GB_OPTION_SEED,
    GB_OPTION_FLAG,
    GB_OPTION_LIST,
    GB_OPTION_OPERAND,
    GB_OPTION_OPERAND_LIST,
};

struct gb_option {
    const char *name;     // "iters" for --iters; an operand's name in the usage line, "TASK"
    const char *argument; // its value's name in the help, "N"; NULL for flags and operands
    const char *help; // without the default, which is added; NULL: an alias that --help leaves out
    enum gb_option_type type;
    union {
        const char **string;
        int *integer;
        float *real;
        uint64_t *seed;
        bool *flag;
        const char **list;
    } to;
    double low, high; // GB_OPTION_INT, GB_OPTION_FLOAT: the range, both ends included
    int *count;       // GB_OPTION_LIST, GB_OPTION_OPERAND_LIST
};

// Parses a command's arguments (argv[0] is its name) into the variables of `options`, which ends
// with an entry without a name. With --help or -h it prints the usage to stdout instead and sets
// *helped; so it does with --help-man (a section of a man page) and --help-bash (a case of a
// completion function), from which `glowbench help` makes documents.
// Stored strings point into argv. GB_BAD_INPUT for an unknown option, a missing or unexpected
// argument or operand, and a value of the wrong type or out of range. The last of repeated options
// counts, except of lists.
enum gb_status gb_options_parse(const struct gb_command *command, const struct gb_option *options,
                                int argc, const char **argv, bool *helped);

// Any non-empty UTF-8 string, since it may be written to JSON.
static inline struct gb_option gb_option_string(const char *name, const char *argument,
                                                const char **to, const char *help) {
    return (struct gb_option){name, argument, help, GB_OPTION_STRING, {.string = to}, 0, 0, 0};
}

// One of `choices`, which are separated by bars: "live|published".
static inline struct gb_option gb_option_choice(const char *name, const char *choices,
                                                const char **to, const char *help) {
    return (struct gb_option){name, choices, help, GB_OPTION_CHOICE, {.string = to}, 0, 0, 0};
}

static inline struct gb_option gb_option_int(const char *name, const char *argument, int *to,
                                             int low, int high, const char *help) {
    return (struct gb_option){name, argument, help, GB_OPTION_INT, {.integer = to}, low, high, 0};
}

static inline struct gb_option gb_option_float(const char *name, const char *argument, float *to,
                                               double low, double high, const char *help) {
    return (struct gb_option){name, argument, help, GB_OPTION_FLOAT, {.real = to}, low, high, 0};
}

// A integer below 2^63, which every JSON reader accepts; an initial value beyond means "not
// given".
static inline struct gb_option gb_option_seed(const char *name, const char *argument, uint64_t *to,
                                              const char *help) {
    return (struct gb_option){name, argument, help, GB_OPTION_SEED, {.seed = to}, 0, 0, 0};
}

static inline struct gb_option gb_option_flag(const char *name, bool *to, const char *help) {
    return (struct gb_option){name, 0, help, GB_OPTION_FLAG, {.flag = to}, 0, 0, 0};
}

// An option that may be repeated. `to` holds up to argc strings.
static inline struct gb_option gb_option_list(const char *name, const char *argument,
                                              const char **to, int *count, const char *help) {
    return (struct gb_option){name, argument, help, GB_OPTION_LIST, {.list = to}, 0, 0, count};
}

// A required operand. Operands are taken in the table's order.
static inline struct gb_option gb_operand(const char *name, const char **to, const char *help) {
    return (struct gb_option){name, 0, help, GB_OPTION_OPERAND, {.string = to}, 0, 0, 0};
}

// The last entry: one or more operands. `to` holds up to argc of them.
static inline struct gb_option gb_operand_list(const char *name, const char **to, int *count,
                                               const char *help) {
    return (struct gb_option){name, 0, help, GB_OPTION_OPERAND_LIST, {.list = to}, 0, 0, count};
}

#endif
