// SPDX-License-Identifier: MIT
#include "bench/info_plan.h"

#include <stdio.h>
#include <string.h>

static const enum gb_direction directions[] = {GB_FORWARD, GB_BACKWARD_DATA, GB_BACKWARD_WEIGHTS,
                                               GB_BACKWARD_UPDATE};
enum { DIRECTIONS = sizeof directions / sizeof *directions };

// Splits the text; *direction stays as it is if the text names none.
static enum gb_status parse(const char *text, enum gb_direction *direction,
                            struct gb_conv_problem *problem) {
    static const char prefix[] = "conv/";
    if (strncmp(text, prefix, strlen(prefix)) != 0)
        return gb_fail(GB_BAD_INPUT, "cannot print plan", text,
                       "expected conv/DIRECTION/SHAPE or conv/SHAPE: only convolutions choose an "
                       "algorithm");
    const char *shape = text + strlen(prefix);
    for (int d = 0; d < DIRECTIONS; d++) {
        const char *name = gb_direction_name(directions[d]);
        if (strncmp(shape, name, strlen(name)) == 0 && shape[strlen(name)] == '/') {
            *direction = directions[d];
            shape += strlen(name) + 1;
            break;
        }
    }
    return gb_problem_parse(&gb_conv_operation, shape, problem);
}

static void print_size(size_t size) { // 0: the backend does not say
    if (size)
        printf(" %6zu", size);
    else
        printf(" %6s", "-");
}

static void print_choice(const struct gb_conv_choice *choice, const char *direction, int threads) {
    const struct gb_exec exec = {.threads = threads};
    const struct gb_conv_blocks *b = &choice->blocks;
    int used = gb_threads_for(&exec, choice->work);
    size_t scratch = choice->shared_bytes + (size_t)used * choice->thread_bytes;
    printf("%-17s %-20s", direction, choice->name ? choice->name : "unknown");
    print_size(b->mr);
    print_size(b->nr);
    print_size(b->kc);
    print_size(b->mc);
    print_size(b->nc);
    printf(" %13zu %8d\n", scratch, used);
}

enum gb_status gb_print_plan(const char *text, const struct gb_backend *backend, int threads) {
    enum gb_direction wanted = GB_DIRECTIONS;
    struct gb_conv_problem problem;
    GB_TRY(parse(text, &wanted, &problem));
    struct gb_conv_plan plan;
    GB_TRY(backend->conv_plan(backend, &problem, threads, &plan));
    printf("backend %s%s%s, %d thread%s, packed weights %zu bytes\n", backend->name,
           *backend->library ? ", " : "", backend->library, threads, threads == 1 ? "" : "s",
           sizeof(float) * plan.weight_floats);
    printf("%-17s %-20s %6s %6s %6s %6s %6s %13s %8s\n", "direction", "algorithm", "MR", "NR", "KC",
           "MC", "NC", "scratch bytes", "threads");
    for (int d = 0; d < DIRECTIONS; d++) {
        bool repeated = wanted == GB_DIRECTIONS && directions[d] == GB_BACKWARD_UPDATE;
        if (!repeated && (wanted == GB_DIRECTIONS || wanted == directions[d]))
            print_choice(gb_conv_choice_of(&plan, directions[d]), gb_direction_name(directions[d]),
                         threads);
    }
    backend->conv_plan_free(&plan);
    return GB_OK;
}
