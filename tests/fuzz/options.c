// SPDX-License-Identifier: MIT
// A command's arguments, one a line, and the threshold of `compare`.
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "bench/compare/comparison.h"

enum { MOST = 64 };

static enum gb_status run(int argc, const char **argv) {
    const char *text = NULL, *word = "live", *operand = NULL, *list[MOST];
    int integer = 1, count = 0;
    float real = 0.5f;
    uint64_t seed = UINT64_MAX;
    bool flag = false, helped;
    static const struct gb_command command = {"fuzz", "Takes options of every type", run, false,
                                              false};
    const struct gb_option options[] = {
        gb_operand("FIRST", &operand, "an operand"),
        gb_option_string("text", "TEXT", &text, "a text"),
        gb_option_choice("word", "live|published", &word, "a choice"),
        gb_option_int("integer", "N", &integer, 1, 100, "an integer"),
        gb_option_float("real", "X", &real, 0, 1, "a number"),
        gb_option_seed("seed", "N", &seed, "a seed"),
        gb_option_flag("flag", &flag, "a flag"),
        gb_operand_list("REST", list, &count, "more operands"),
        {0},
    };
    GB_TRY(gb_options_parse(&command, options, argc, argv, &helped));
    if (!helped && (integer < 1 || integer > 100 || !(real >= 0 && real <= 1) || count < 1))
        abort();
    return GB_OK;
}

void gb_fuzz_options(const uint8_t *bytes, size_t size) {
    const char *argv[MOST + 1] = {"fuzz"};
    int argc = 1;
    char *text = calloc(size + 1, 1), *state = NULL;
    if (!text)
        return;
    memcpy(text, bytes, size);
    double ratio;
    gb_threshold_parse(text, &ratio);
    for (char *word = strtok_r(text, "\n", &state); word && argc < MOST;
         word = strtok_r(NULL, "\n", &state))
        argv[argc++] = word;
    run(argc, argv);
    free(text);
}
