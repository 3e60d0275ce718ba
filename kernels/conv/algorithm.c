// SPDX-License-Identifier: MIT
#include "kernels/conv/native.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/registry.h"

const char *const gb_conv_algorithm_names[GB_CONV_ALGORITHMS] = {
    [GB_CONV_DIRECT] = "direct",
    [GB_CONV_IMPLICIT_GEMM] = "implicit_gemm",
    [GB_CONV_IM2COL] = "im2col",
    [GB_CONV_COL2IM] = "col2im",
    [GB_CONV_DEPTH_TO_SPACE] = "depth_to_space",
    [GB_CONV_WINOGRAD] = "winograd",
};

static const enum gb_direction directions[] = {GB_FORWARD, GB_BACKWARD_DATA, GB_BACKWARD_WEIGHTS};
enum { DIRECTIONS = sizeof directions / sizeof *directions };

// The names of the algorithms in `set`.
static const char *list_names(unsigned set, char text[static 128]) {
    size_t used = 0;
    for (int a = 0; a < GB_CONV_ALGORITHMS; a++)
        if (set & 1u << a)
            used += (size_t)snprintf(text + used, 128 - used, "%s%s", used ? ", " : "",
                                     gb_conv_algorithm_names[a]);
    return text;
}

static enum gb_status unknown(const char *item) {
    char names[128];
    unsigned vector_algorithms = ((1u << GB_CONV_ALGORITHMS) - 1) & ~(1u << GB_CONV_DIRECT);
    return gb_fail(GB_BAD_INPUT, "cannot use GB_CONV_ALGORITHM", item,
                   "takes NAME or DIRECTION=NAME, comma-separated: a direction is forward, "
                   "backward_data or backward_weights, a name one of: %s",
                   list_names(vector_algorithms, names));
}

// "winograd" or "forward=winograd".
static enum gb_status read_item(const char *item, struct gb_conv_request *request) {
    int *requested = &request->any;
    const char *name = strchr(item, '=');
    if (name) {
        requested = NULL;
        size_t length = (size_t)(name++ - item);
        for (int d = 0; d < DIRECTIONS; d++) {
            const char *direction = gb_direction_name(directions[d]);
            if (strlen(direction) == length && strncmp(item, direction, length) == 0)
                requested = &request->directions[directions[d]];
        }
    } else {
        name = item;
    }
    for (int a = GB_CONV_DIRECT + 1; requested && a < GB_CONV_ALGORITHMS; a++)
        if (strcmp(name, gb_conv_algorithm_names[a]) == 0) {
            *requested = a;
            return GB_OK;
        }
    return unknown(item);
}

enum gb_status gb_conv_request_read(struct gb_conv_request *request) {
    *request = (struct gb_conv_request){.any = -1};
    for (int d = 0; d < DIRECTIONS; d++)
        request->directions[directions[d]] = -1;
    const char *text = getenv("GB_CONV_ALGORITHM");
    if (!text || !*text)
        return GB_OK;
    request->text = text;
    for (const char *at = text;; at++) {
        char item[64];
        size_t length = strcspn(at, ",");
        if (length >= sizeof item)
            return unknown(text);
        memcpy(item, at, length);
        item[length] = '\0';
        GB_TRY(read_item(item, request));
        at += length;
        if (!*at)
            return GB_OK;
    }
}

static enum gb_status inapplicable(const struct gb_conv_request *request, const void *problem,
                                   const char *direction, const char *separator,
                                   unsigned applicable) {
    char text[GB_PROBLEM_TEXT], names[128];
    gb_problem_print(&gb_conv_operation, problem, text);
    return gb_fail(GB_BAD_INPUT, "cannot use GB_CONV_ALGORITHM", request->text,
                   "conv/%s%s%s takes one of: %s", direction, separator, text,
                   list_names(applicable, names));
}

enum gb_status gb_conv_request_apply(struct gb_conv_request *request, const void *problem,
                                     enum gb_direction direction, unsigned applicable,
                                     enum gb_conv_algorithm *algorithm) {
    int own = request->directions[direction];
    request->applicable |= applicable;
    if (request->any >= 0 && applicable & 1u << request->any) {
        *algorithm = (enum gb_conv_algorithm)request->any;
        request->any_taken = true;
    }
    if (own < 0)
        return GB_OK;
    if (!(applicable & 1u << own))
        return inapplicable(request, problem, gb_direction_name(direction), "/", applicable);
    *algorithm = (enum gb_conv_algorithm)own;
    return GB_OK;
}

enum gb_status gb_conv_request_finish(const struct gb_conv_request *request, const void *problem) {
    return request->any < 0 || request->any_taken
               ? GB_OK
               : inapplicable(request, problem, "", "", request->applicable);
}

const struct gb_conv_choice *gb_conv_choice_of(const struct gb_conv_plan *plan,
                                               enum gb_direction direction) {
    switch (direction) {
    case GB_FORWARD:
        return &plan->forward;
    case GB_BACKWARD_DATA:
        return &plan->backward_data;
    case GB_BACKWARD_WEIGHTS:
    case GB_BACKWARD_UPDATE:
        return &plan->backward_weights;
    default:
        return NULL;
    }
}

const char *gb_conv_algorithm(const void *plan, enum gb_direction direction) {
    const struct gb_conv_choice *choice = gb_conv_choice_of(plan, direction);
    return choice ? choice->name : NULL;
}
