// SPDX-License-Identifier: MIT
// Problems as text, one a line: what is read prints as text that is read, and has a cost.
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/backend.h"

static void parse(const struct gb_operation *operation, const char *text) {
    void *problem = calloc(1, operation->problem_bytes);
    if (problem && gb_problem_parse(operation, text, problem) == GB_OK) {
        char printed[GB_PROBLEM_TEXT];
        gb_problem_print(operation, problem, printed);
        if (gb_problem_parse(operation, printed, problem) != GB_OK)
            abort();
        for (int direction = 0; direction < GB_DIRECTIONS; direction++)
            if (operation->kernels[direction].entry &&
                !(gb_problem_cost(operation, problem, (enum gb_direction)direction).bytes >= 0))
                abort();
    }
    free(problem);
}

void gb_fuzz_problem(const uint8_t *bytes, size_t size) {
    char *text = calloc(size + 1, 1), *state = NULL;
    if (!text)
        return;
    memcpy(text, bytes, size);
    for (char *line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state))
        for (const struct gb_operation *const *o = gb_operations(); *o; o++)
            parse(*o, line);
    free(text);
}
