// SPDX-License-Identifier: MIT
#include "base/options.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/console.h"
#include "base/utf8.h"

// What popt returns for --help and its forms, and for option 0.
enum { HELP = 1, HELP_MAN, HELP_BASH, FIRST_OPTION };

static bool is_operand(const struct gb_option *option) {
    return option->type == GB_OPTION_OPERAND || option->type == GB_OPTION_OPERAND_LIST;
}

// The string in argv, which lives as long as the process, that popt made this copy of: the end of
// an argument.
static const char *in_argv(const char *copy, int argc, const char **argv) {
    size_t length = strlen(copy);
    for (int i = 1; i < argc; i++) {
        size_t word = strlen(argv[i]);
        if (word >= length && strcmp(argv[i] + word - length, copy) == 0)
            return argv[i] + word - length;
    }
    assert(!"popt returned a string that is not in argv");
    return "";
}

static enum gb_status bad_value(const struct gb_option *option, const char *text, const char *why) {
    char where[64];
    snprintf(where, sizeof where, "--%s", option->name);
    return gb_fail(GB_BAD_INPUT, "bad value", where, "\"%s\" %s", text, why);
}

static enum gb_status out_of_range(const struct gb_option *option, const char *text) {
    char why[96];
    snprintf(why, sizeof why, "is not in %.10g .. %.10g", option->low, option->high);
    return bad_value(option, text, why);
}

static enum gb_status store_choice(const struct gb_option *option, const char *text) {
    size_t length = strlen(text);
    for (const char *word = option->argument; word; word = strchr(word, '|')) {
        word += *word == '|';
        if (length == strcspn(word, "|") && strncmp(word, text, length) == 0) {
            *option->to.string = text;
            return GB_OK;
        }
    }
    char why[256];
    snprintf(why, sizeof why, "is not one of %s", option->argument);
    return bad_value(option, text, why);
}

static enum gb_status store_int(const struct gb_option *option, const char *text) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || isspace((unsigned char)*text))
        return bad_value(option, text, "is not an integer");
    if (errno == ERANGE || (double)value < option->low || (double)value > option->high)
        return out_of_range(option, text);
    *option->to.integer = (int)value;
    return GB_OK;
}

static enum gb_status store_float(const struct gb_option *option, const char *text) {
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end || isspace((unsigned char)*text) || value != value)
        return bad_value(option, text, "is not a number");
    if (value < option->low || value > option->high)
        return out_of_range(option, text);
    *option->to.real = (float)value;
    return GB_OK;
}

static enum gb_status store_seed(const struct gb_option *option, const char *text) {
    char *end;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end)
        return bad_value(option, text, "is not an integer");
    if (errno == ERANGE || value > INT64_MAX)
        return bad_value(option, text, "does not fit in 63 bits");
    *option->to.seed = value;
    return GB_OK;
}

static enum gb_status store(const struct gb_option *option, const char *text) {
    switch (option->type) {
    case GB_OPTION_STRING:
    case GB_OPTION_LIST:
        if (!*text)
            return bad_value(option, text, "is empty");
        if (!gb_is_utf8(text))
            return bad_value(option, text, "is not UTF-8");
        if (option->type == GB_OPTION_LIST)
            option->to.list[(*option->count)++] = text;
        else
            *option->to.string = text;
        return GB_OK;
    case GB_OPTION_CHOICE:
        return store_choice(option, text);
    case GB_OPTION_INT:
        return store_int(option, text);
    case GB_OPTION_FLOAT:
        return store_float(option, text);
    case GB_OPTION_SEED:
        return store_seed(option, text);
    case GB_OPTION_FLAG:
    case GB_OPTION_OPERAND:
    case GB_OPTION_OPERAND_LIST:
        break;
    }
    *option->to.flag = true;
    return GB_OK;
}

static void format_default(const struct gb_option *option, char *text, size_t size) {
    text[0] = '\0';
    switch (option->type) {
    case GB_OPTION_STRING:
    case GB_OPTION_CHOICE:
        if (*option->to.string)
            snprintf(text, size, " (default: %s)", *option->to.string);
        break;
    case GB_OPTION_INT:
        if (*option->to.integer >= option->low && *option->to.integer <= option->high)
            snprintf(text, size, " (default: %d)", *option->to.integer);
        break;
    case GB_OPTION_FLOAT:
        if (*option->to.real >= option->low && *option->to.real <= option->high)
            snprintf(text, size, " (default: %g)", (double)*option->to.real);
        break;
    case GB_OPTION_SEED:
        if (*option->to.seed <= INT64_MAX)
            snprintf(text, size, " (default: %" PRIu64 ")", *option->to.seed);
        break;
    case GB_OPTION_FLAG:
    case GB_OPTION_LIST:
    case GB_OPTION_OPERAND:
    case GB_OPTION_OPERAND_LIST:
        break;
    }
}

// One option, its help wrapped at 80 columns.
static void print_row(const char *left, const char *help, const char *value) {
    enum { COLUMN = 28, COLUMNS = 80 };
    char text[512];
    snprintf(text, sizeof text, "%s%s", help, value);
    int used = printf("  %s", left);
    if (used >= COLUMN) {
        putchar('\n');
        used = 0;
    }
    printf("%*s", COLUMN - used, "");
    gb_print_wrapped(stdout, text, COLUMN, COLUMNS);
}

static void print_help(const struct gb_command *command, const struct gb_option *options) {
    printf("usage: glowbench %s", command->name);
    for (const struct gb_option *option = options; option->name; option++)
        if (is_operand(option))
            printf(option->type == GB_OPTION_OPERAND_LIST ? " %s..." : " %s", option->name);
    printf(" [OPTION...]\n%s.\n\n", command->summary);
    for (const struct gb_option *option = options; option->name; option++) {
        char left[128], value[128] = "";
        if (!option->help)
            continue;
        if (is_operand(option))
            snprintf(left, sizeof left, "%s", option->name);
        else
            snprintf(left, sizeof left, option->argument ? "--%s %s" : "--%s", option->name,
                     option->argument);
        format_default(option, value, sizeof value);
        print_row(left, option->help, value);
    }
    print_row("-h, --help", "print this and exit", "");
}

// ---- Documents ----

// Roff takes "-" for a hyphen, and a line that begins with "." or "'" for a request.
static void print_roff(const char *text) {
    for (; *text; text++)
        if (*text == '-')
            fputs("\\-", stdout);
        else if (*text == '\\')
            fputs("\\e", stdout);
        else
            putchar(*text);
}

// A section of a man page, with the heads and paragraphs of man(7).
static void print_man(const struct gb_command *command, const struct gb_option *options) {
    printf(".SS glowbench %s", command->name);
    for (const struct gb_option *option = options; option->name; option++)
        if (is_operand(option))
            printf(option->type == GB_OPTION_OPERAND_LIST ? " %s..." : " %s", option->name);
    printf(" [OPTION...]\n%s.\n", command->summary);
    for (const struct gb_option *option = options; option->name; option++) {
        char value[128];
        if (!option->help)
            continue;
        printf(".TP\n.B ");
        print_roff(is_operand(option) ? "" : "--");
        print_roff(option->name);
        if (option->argument) {
            printf(" \\fI");
            print_roff(option->argument);
            printf("\\fR");
        }
        format_default(option, value, sizeof value);
        printf("\n\\&");
        print_roff(option->help);
        print_roff(value);
        putchar('\n');
    }
}

// For each option with choices their words, then all options.
static void print_bash(const struct gb_command *command, const struct gb_option *options) {
    for (const struct gb_option *option = options; option->name; option++)
        if (option->help && option->type == GB_OPTION_CHOICE) {
            printf("        '%s --%s') words='", command->name, option->name);
            for (const char *letter = option->argument; *letter; letter++)
                putchar(*letter == '|' ? ' ' : *letter);
            printf("' ;;\n");
        }
    printf("        '%s '*) words='--help", command->name);
    for (const struct gb_option *option = options; option->name; option++)
        if (option->help && !is_operand(option))
            printf(" --%s", option->name);
    printf("' ;;\n");
}

static enum gb_status popt_failure(const struct gb_command *command, poptContext context,
                                   int error) {
    const char *word = poptBadOption(context, POPT_BADOPTION_NOALIAS);
    switch (error) {
    case POPT_ERROR_BADOPT:
        return gb_fail(GB_BAD_INPUT, "unknown option", word, "see glowbench %s --help",
                       command->name);
    case POPT_ERROR_NOARG:
        return gb_fail(GB_BAD_INPUT, "missing argument", word, "see glowbench %s --help",
                       command->name);
    default:
        return gb_fail(GB_BAD_INPUT, "bad option", word, "%s", poptStrerror(error));
    }
}

static enum gb_status take_options(const struct gb_command *command,
                                   const struct gb_option *options, poptContext context, int argc,
                                   const char **argv, bool *helped) {
    int value;
    while ((value = poptGetNextOpt(context)) > 0) {
        if (value < FIRST_OPTION) {
            static void (*const print[])(const struct gb_command *, const struct gb_option *) = {
                [HELP] = print_help, [HELP_MAN] = print_man, [HELP_BASH] = print_bash};
            print[value](command, options);
            *helped = true;
            return GB_OK;
        }
        char *copy = poptGetOptArg(context);
        const char *text = copy ? in_argv(copy, argc, argv) : "";
        free(copy);
        GB_TRY(store(&options[value - FIRST_OPTION], text));
    }
    return value < -1 ? popt_failure(command, context, value) : GB_OK;
}

static enum gb_status take_operands(const struct gb_command *command,
                                    const struct gb_option *options, poptContext context, int argc,
                                    const char **argv) {
    for (const struct gb_option *option = options; option->name; option++) {
        if (!is_operand(option))
            continue;
        const char *word = poptGetArg(context);
        if (!word)
            return gb_fail(GB_BAD_INPUT, "missing operand", option->name, "see glowbench %s --help",
                           command->name);
        if (option->type == GB_OPTION_OPERAND) {
            *option->to.string = in_argv(word, argc, argv);
            continue;
        }
        for (*option->count = 0; word; word = poptGetArg(context))
            option->to.list[(*option->count)++] = in_argv(word, argc, argv);
    }
    const char *word = poptGetArg(context);
    return word ? gb_fail(GB_BAD_INPUT, "unexpected argument", word, "see glowbench %s --help",
                          command->name)
                : GB_OK;
}

enum gb_status gb_options_parse(const struct gb_command *command, const struct gb_option *options,
                                int argc, const char **argv, bool *helped) {
    *helped = false;
    static const char what[] = "cannot parse options";
    size_t count = 0, rows = 0;
    while (options[count].name)
        count++;
    struct poptOption *table = calloc(count + 4, sizeof *table); // the forms of --help, and the end
    if (!table)
        return gb_no_memory(what, command->name);
    for (int i = 0; options[i].name; i++) {
        if (!is_operand(&options[i]))
            table[rows++] = (struct poptOption){
                .longName = options[i].name,
                .argInfo = options[i].type == GB_OPTION_FLAG ? POPT_ARG_NONE : POPT_ARG_STRING,
                .val = FIRST_OPTION + i};
    }
    table[rows++] = (struct poptOption){.longName = "help", .shortName = 'h', .val = HELP};
    table[rows++] = (struct poptOption){.longName = "help-man", .val = HELP_MAN};
    table[rows++] = (struct poptOption){.longName = "help-bash", .val = HELP_BASH};
    poptContext context = poptGetContext("glowbench", argc, argv, table, 0);
    enum gb_status status = context ? take_options(command, options, context, argc, argv, helped)
                                    : gb_no_memory(what, command->name);
    if (status == GB_OK && !*helped)
        status = take_operands(command, options, context, argc, argv);
    poptFreeContext(context);
    free(table);
    return status;
}
