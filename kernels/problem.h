// SPDX-License-Identifier: MIT
// Operations as benchmarks see them: which directions each has, the text that names a problem of
// it, and what a run of that problem needs in arithmetic and traffic. Every operation has one
// constant, gb_<operation>_operation, that says so; its problem is the struct that its header
// names.
#ifndef GB_PROBLEM_H
#define GB_PROBLEM_H

#include <stddef.h>

#include "base/status.h"
#include "kernels/registry.h"

enum gb_direction {
    GB_FORWARD,
    GB_INVERSE,
    GB_SAMPLE,
    GB_BACKWARD,         // all gradients that the operation has
    GB_BACKWARD_DATA,    // the input's gradient alone
    GB_BACKWARD_WEIGHTS, // the weights' gradient alone
    GB_BACKWARD_UPDATE,  // as the one with weights above, with Adam applied in place of storing it
    GB_DIRECTIONS
};

// "forward", "backward_data" and so on.
const char *gb_direction_name(enum gb_direction direction);

// What one run needs: floating-point operations, a multiply-add counted as two, a root or quotient
// as one, and a function as what kernels/simd/math.h spends on it (GB_EXP_FLOPS and the like);
// integer arithmetic, comparisons and selections are not counted. Least traffic: each operand read
// once, each result written once, one updated in place both. The arguments that are one number a
// channel or a sample (bias, scale, log-determinant) are left out of it, but for actnorm's, which
// differ from sample to sample.
struct gb_cost {
    double flops, bytes;
};
enum {
    GB_EXP_FLOPS = 19, // expm1 as well
    GB_LOG_FLOPS = 25,
    GB_TANH_FLOPS = 35,
    GB_SIGMOID_FLOPS = 21,
    GB_SOFTPLUS_FLOPS = 46,
    GB_LOG_ONE_MINUS_EXP_FLOPS = 44,
    GB_SINCOS_FLOPS = 21, // both
};

// One size of a problem: its letter in the text, its place in the struct, an int, and its limits.
struct gb_problem_size {
    char letter;
    size_t offset;
    int least, most;
};
enum { GB_SIZE_LIMIT = 1 << 20 }; // of what counts images, pixels or channels

struct gb_operation {
    const char *name;
    const char *what; // for messages: "convolution"
    // The kernel that runs in each direction, as the registry names it; NULL: there is none.
    const char *entries[GB_DIRECTIONS];
    size_t problem_bytes;                // of its struct
    const struct gb_problem_size *sizes; // in the text's order; ended by letter 0
    // The word that ends the text, by the value of the int (or enum) at `word`; ended by NULL.
    // NULL: the operation has none.
    const char *const *words;
    size_t word;
    // What the limits of the single sizes do not say. NULL: nothing.
    enum gb_status (*check)(const void *problem);
    struct gb_cost (*cost)(const void *problem, enum gb_direction direction);
};

#define GB_DECLARE_OPERATION(name) extern const struct gb_operation gb_##name##_operation;
GB_OPERATIONS(GB_DECLARE_OPERATION)
#undef GB_DECLARE_OPERATION

// All of them, ended by NULL.
const struct gb_operation *const *gb_operations(void);

// GB_BAD_INPUT with a message where a size is outside its limits or the sizes together describe
// nothing that kernels can run. `problem`, here and below: the operation's struct.
enum gb_status gb_problem_check(const struct gb_operation *operation, const void *problem);

// Writes a problem that passes the check as text: for each size its letter and the number, then the
// word, e.g. "n2h16w16c12k256r3s3u1v1p1q1relu".
enum { GB_PROBLEM_TEXT = 96 };
void gb_problem_print(const struct gb_operation *operation, const void *problem,
                      char text[static GB_PROBLEM_TEXT]);

// Reads it back and checks it. GB_BAD_INPUT with a message where the text is not a problem of this
// operation; *problem is then undefined.
enum gb_status gb_problem_parse(const struct gb_operation *operation, const char *text,
                                void *problem);

// What a run in a direction that the operation has needs.
struct gb_cost gb_problem_cost(const struct gb_operation *operation, const void *problem,
                               enum gb_direction direction);

// GB_BAD_INPUT with a message unless an array of an operation's problem stays below 2^31 floats, so
// that every position in it fits an int.
enum gb_status gb_floats_check(const char *operation, const char *array, double floats);

// ---- Problems of operations that need no struct of their own, and what others are made of ----

// A tensor's shape: of inv1x1, actnorm and add, and of squeeze the wide side (h and w even).
// Text "n2h16w16c12".
struct gb_image_problem {
    int n, h, w, c;
};
extern const struct gb_problem_size gb_image_problem_sizes[];
// GB_BAD_INPUT with a message where it has 2^31 floats or more.
enum gb_status gb_image_check(const void *problem);
static inline double gb_image_floats(const struct gb_image_problem *p) {
    return (double)p->n * p->h * p->w * p->c;
}

// `count` floats in a row: of adam, exp, random_uniform and random_normal. Text "e1024".
struct gb_array_problem {
    int count;
};
extern const struct gb_problem_size gb_array_problem_sizes[];

#endif
