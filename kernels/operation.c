// SPDX-License-Identifier: MIT
#include "kernels/operation.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "kernels/registry.h"

const struct gb_operation *const *gb_operations(void) {
#define ADDRESS(name) &gb_##name##_operation,
    static const struct gb_operation *const all[] = {GB_OPERATIONS(ADDRESS) NULL};
#undef ADDRESS
    return all;
}

const char *gb_direction_name(enum gb_direction direction) {
    static const char *const names[] = {
        [GB_FORWARD] = "forward",
        [GB_INVERSE] = "inverse",
        [GB_SAMPLE] = "sample",
        [GB_MEAN] = "mean",
        [GB_BACKWARD] = "backward",
        [GB_BACKWARD_DATA] = "backward_data",
        [GB_BACKWARD_WEIGHTS] = "backward_weights",
        [GB_BACKWARD_UPDATE] = "backward_update",
    };
    return names[direction];
}

static int number_at(const void *problem, size_t offset) {
    int number;
    memcpy(&number, (const char *)problem + offset, sizeof number);
    return number;
}

static void set_number(void *problem, size_t offset, int number) {
    memcpy((char *)problem + offset, &number, sizeof number);
}

enum gb_status gb_problem_check(const struct gb_operation *operation, const void *problem) {
    for (const struct gb_problem_size *size = operation->sizes; size->letter; size++) {
        int number = number_at(problem, size->offset);
        if (number < size->least || number > size->most)
            return gb_fail(GB_BAD_INPUT, "invalid problem size", operation->what,
                           "'%c' is %d, not between %d and %d", size->letter, number, size->least,
                           size->most);
    }
    return operation->check ? operation->check(problem) : GB_OK;
}

void gb_problem_print(const struct gb_operation *operation, const void *problem,
                      char text[static GB_PROBLEM_TEXT]) {
    size_t used = 0;
    for (const struct gb_problem_size *size = operation->sizes; size->letter; size++) {
        used += (size_t)snprintf(text + used, GB_PROBLEM_TEXT - used, "%c%d", size->letter,
                                 number_at(problem, size->offset));
        assert(used < GB_PROBLEM_TEXT);
    }
    if (operation->words)
        used += (size_t)snprintf(text + used, GB_PROBLEM_TEXT - used, "%s",
                                 operation->words[number_at(problem, operation->word)]);
    assert(used < GB_PROBLEM_TEXT);
    if (operation->formats)
        snprintf(text + used, GB_PROBLEM_TEXT - used, "%s",
                 operation->formats[number_at(problem, operation->format)]);
}

// Reads "<letter><number>" at *at and moves past it.
static enum gb_status parse_size(const char *text, const char **at,
                                 const struct gb_problem_size *size, int *number) {
    static const char what[] = "cannot read problem";
    if (**at != size->letter)
        return gb_fail(GB_BAD_INPUT, what, text, "expected '%c' at character %td", size->letter,
                       *at - text + 1);
    ++*at;
    if (**at < '0' || **at > '9')
        return gb_fail(GB_BAD_INPUT, what, text, "no number after '%c'", size->letter);
    long long value = 0;
    for (; **at >= '0' && **at <= '9' && value <= INT_MAX; ++*at)
        value = 10 * value + (**at - '0');
    if (value > size->most)
        return gb_fail(GB_BAD_INPUT, what, text, "the number after '%c' exceeds %d", size->letter,
                       size->most);
    *number = (int)value;
    return GB_OK;
}

// The word and the format at the end.
static enum gb_status parse_word(const struct gb_operation *operation, const char *text,
                                 const char *rest, void *problem) {
    static const char *const none[] = {"", NULL};
    const char *const *words = operation->words ? operation->words : none;
    const char *const *formats = operation->formats ? operation->formats : none;
    for (int w = 0; words[w]; w++) {
        const size_t length = strlen(words[w]);
        for (int f = 0; strncmp(rest, words[w], length) == 0 && formats[f]; f++) {
            if (strcmp(rest + length, formats[f]) != 0)
                continue;
            if (operation->words)
                set_number(problem, operation->word, w);
            if (operation->formats)
                set_number(problem, operation->format, f);
            return GB_OK;
        }
    }
    return gb_fail(GB_BAD_INPUT, "cannot read problem", text, "%s does not end in '%s'",
                   operation->what, rest);
}

enum gb_status gb_problem_parse(const struct gb_operation *operation, const char *text,
                                void *problem) {
    memset(problem, 0, operation->problem_bytes);
    const char *at = text;
    for (const struct gb_problem_size *size = operation->sizes; size->letter; size++) {
        int number = 0;
        GB_TRY(parse_size(text, &at, size, &number));
        set_number(problem, size->offset, number);
    }
    GB_TRY(parse_word(operation, text, at, problem));
    return gb_problem_check(operation, problem);
}

struct gb_cost gb_problem_cost(const struct gb_operation *operation, const void *problem,
                               enum gb_direction direction) {
    assert(operation->kernels[direction].entry);
    if (operation->cost)
        return operation->cost(problem, direction);
    const struct gb_element_cost *costs = operation->kernels[direction].costs;
    const int word = operation->words ? number_at(problem, operation->word) : 0;
    const struct gb_element_cost cost = costs[word].floats > 0 ? costs[word] : costs[0];
    double elements = 1;
    for (const struct gb_problem_size *size = operation->sizes; size->letter; size++)
        if (strchr("nhwce", size->letter))
            elements *= number_at(problem, size->offset);
    const int format = operation->formats ? number_at(problem, operation->format) : GB_FLOATS;
    const enum gb_type type = format == GB_BF16_OPERANDS ? GB_BF16 : GB_F32;
    return (struct gb_cost){cost.flops * elements,
                            (double)gb_type_bytes(type) * cost.floats * elements};
}

enum gb_direction gb_stored_direction(const struct gb_operation *operation,
                                      enum gb_direction direction) {
    if (direction != GB_BACKWARD_UPDATE)
        return direction;
    return operation->kernels[GB_BACKWARD_WEIGHTS].entry ? GB_BACKWARD_WEIGHTS : GB_BACKWARD;
}

const char *const gb_format_names[] = {"", "_bf16", "_bf16x32", "_bf16y32", "_bf16xy32", NULL};
const char *const gb_tensor_formats[] = {"", "_bf16", NULL};

enum gb_type gb_tensor_type(const struct gb_call *call) {
    return gb_precision((enum gb_format)number_at(call->problem, call->operation->format));
}

struct gb_expected gb_stored(const struct gb_call *call, int operand, struct gb_expected expected) {
    if (call->operand[operand].type == GB_BF16) {
        const double half_ulp = 0x1p-8; // of the significand's last bit, relative
        expected.bound += half_ulp * (fabs(expected.value) + expected.bound) + 0x1p-126;
    }
    return expected;
}

const struct gb_problem_size gb_image_problem_sizes[] = {
    GB_IMAGE_SIZES(struct gb_image_problem),
    {0},
};

enum gb_status gb_floats_check(const char *operation, const char *array, double floats) {
    if (floats < 0x1p31)
        return GB_OK;
    return gb_fail(GB_BAD_INPUT, "invalid problem size", operation,
                   "%s has %.0f floats, not below 2^31", array, floats);
}

enum gb_status gb_image_check(const void *problem) {
    return gb_floats_check("image", "it", gb_image_floats(problem));
}

const struct gb_problem_size gb_array_problem_sizes[] = {
    {'e', offsetof(struct gb_array_problem, count), 1, INT_MAX},
    {0},
};

static int size_at(const struct gb_call *call, int size) {
    return number_at(call->problem, call->operation->sizes[size].offset);
}

struct gb_dims gb_dims_image(const struct gb_call *call) {
    return (struct gb_dims){size_at(call, 0), size_at(call, 1), size_at(call, 2), size_at(call, 3)};
}

struct gb_dims gb_dims_samples(const struct gb_call *call) {
    return (struct gb_dims){1, 1, 1, size_at(call, 0)};
}

struct gb_dims gb_dims_channels(const struct gb_call *call) {
    return (struct gb_dims){1, 1, 1, size_at(call, 3)};
}

struct gb_dims gb_dims_rows(const struct gb_call *call) {
    return (struct gb_dims){1, 1, size_at(call, 0), size_at(call, 3)};
}

struct gb_dims gb_dims_array(const struct gb_call *call) {
    const struct gb_array_problem *p = call->problem;
    return (struct gb_dims){1, 1, 1, p->count};
}

size_t gb_row_sums_scratch(const struct gb_call *call) {
    return gb_row_sums_bytes(&call->operand[0]);
}

struct gb_expected gb_image_sum(const struct gb_call *call, int n,
                                struct gb_term (*term)(const struct gb_call *call,
                                                       const int at[4])) {
    const struct gb_image_problem *p = call->problem;
    double sum = 0, magnitude = 0, error = 0;
    for (int at[4] = {n}; at[1] < p->h; at[1]++)
        for (at[2] = 0; at[2] < p->w; at[2]++)
            for (at[3] = 0; at[3] < p->c; at[3]++) {
                const struct gb_term t = term(call, at);
                sum += t.value;
                magnitude += t.magnitude;
                error += t.error;
            }
    const double bound = GB_ROUNDING * (error + (double)p->w * p->c * magnitude);
    return (struct gb_expected){sum, bound, (double)p->h * p->w * p->c};
}
