// SPDX-License-Identifier: MIT
// What an operation is: its problems and their text, its kernels (one for each direction), what
// they take, what a run costs, and the definition that results are checked against. Each operation
// has one constant, gb_<operation>_operation, next to its plain C functions. Recording of models,
// benchmarks, the check before timing (kernels/verify.h) and the kernel tests iterate over these.
#ifndef GB_OPERATION_H
#define GB_OPERATION_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "kernels/parallel.h"
#include "kernels/tensor.h"

struct gb_adam;
struct gb_backend;
struct gb_call;

enum gb_direction {
    GB_FORWARD,
    GB_INVERSE,
    GB_SAMPLE,
    GB_MEAN,             // the expectation of what GB_SAMPLE draws
    GB_BACKWARD,         // all gradients that the operation has
    GB_BACKWARD_DATA,    // the gradient of the input alone
    GB_BACKWARD_WEIGHTS, // the gradient of the weights alone
    GB_BACKWARD_UPDATE,  // with weights, but the gradient goes to Adam instead of memory
    GB_DIRECTIONS
};

// "forward", "backward_data" and so on.
const char *gb_direction_name(enum gb_direction direction);

// ---- Cost ----

// Of one run. FLOPs: a multiply-add counts two, a root or a quotient one, a function as many as
// kernels/simd/math.h spends on it; integer arithmetic, comparisons and selections are not counted.
// Bytes: each operand read once, each result written once, one updated in place both; arguments of
// one number per channel or sample (bias, scale, log-determinant) are left out, except actnorm's,
// which differ between samples.
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

// The bandwidth that bounds a kernel's traffic.
enum gb_traffic {
    GB_TRAFFIC_TRIAD,  // results go to other memory than the operands: the common case
    GB_TRAFFIC_READ,   // less than one byte in eight is written
    GB_TRAFFIC_UPDATE, // results replace operands: most of the written bytes were read before
};

// ---- Operands ----

enum gb_role {
    GB_IN,
    GB_OUT,
    GB_IN_OUT, // updated in place
    GB_SUM,    // doubles, one for each sample, that the kernel adds to
};

enum gb_operand_layout {
    GB_VIEW,     // a tensor with any strides
    GB_IMAGES,   // dense within each image
    GB_ROW,      // dense, unaligned
    GB_CHANNELS, // a number per channel, 64-byte aligned, zeros up to GB_CHANNEL_PAD
    GB_PACKED,   // weights, or what is shaped like them, in the plan's packed order
};

enum gb_fill {
    GB_FILL_NORMAL,   // mean 0, deviation 1
    GB_FILL_SMALL,    // deviation 1/4 for benchmarks, 1 in tests: exponents
    GB_FILL_LOGITS,   // deviation 1 for benchmarks, 8 in tests
    GB_FILL_UNIFORM,  // in [0, 1)
    GB_FILL_MASK,     // 0 and 1, the same in all operands of a call
    GB_FILL_POSITIVE, // magnitudes of normal numbers
    GB_FILL_SCALE,    // 3/4 and up; powers of two where the other operands are integers
    GB_FILL_WEIGHTS,  // deviation 1/sqrt(h*w*c), so that sums of products stay near 1
};

struct gb_dims {
    int n, h, w, c;
};

// The element types of a problem that multiplies. With bf16, x and weights are rounded to bf16
// before they are multiplied, and the gradient of an output before bias and activation is a bf16
// tensor; x and y are bf16 tensors, or floats where the format says so.
enum gb_format { GB_FLOATS, GB_BF16_OPERANDS, GB_BF16_X32, GB_BF16_Y32, GB_BF16_XY32 };
extern const char *const gb_format_names[]; // "", "_bf16", "_bf16x32" ...; ended by NULL
// "" and "_bf16": of operations that do not multiply, whose tensors are all floats or all bf16.
// They compute in fp32 and round what they store.
extern const char *const gb_tensor_formats[];
static inline enum gb_type gb_x_type(enum gb_format format) {
    return format == GB_BF16_OPERANDS || format == GB_BF16_Y32 ? GB_BF16 : GB_F32;
}
static inline enum gb_type gb_y_type(enum gb_format format) {
    return format == GB_BF16_OPERANDS || format == GB_BF16_X32 ? GB_BF16 : GB_F32;
}
// Of the operands that are multiplied.
static inline enum gb_type gb_precision(enum gb_format format) {
    return format == GB_FLOATS ? GB_F32 : GB_BF16;
}
// Of an operation whose tensors all have one type.
static inline enum gb_format gb_tensor_format(enum gb_type type) {
    return type == GB_BF16 ? GB_BF16_OPERANDS : GB_FLOATS;
}

struct gb_operand {
    const char *name;
    enum gb_role role;
    enum gb_operand_layout layout;
    enum gb_fill fill; // of GB_IN and GB_IN_OUT
    // Its dimensions for the call's problem; c = 0: this problem does without it. Of packed
    // weights: as PyTorch lays them out, {out, in, kernel_h, kernel_w} or {out, 1, 1, in}.
    struct gb_dims (*dims)(const struct gb_call *call);
    // Operands, by name, that an output may share its memory with, one at a time.
    const char *in_place_of[2];
    bool optional; // NULL is allowed, and tested
    // Of its elements, where not GB_F32 for all problems; sums are always GB_F64. Packed weights of
    // bf16 are split (kernels/bf16/bf16.h).
    enum gb_type (*type)(const struct gb_call *call);
};
enum { GB_MAX_OPERANDS = 10 };

// ---- Kernels ----

// Numbers that a call's operands are filled with (kernels/verify.h).
enum gb_numbers {
    GB_NUMBERS_TIMED,    // as gb_fill says
    GB_NUMBERS_WIDE,     // the same with small exponents at full range: tests
    GB_NUMBERS_INTEGERS, // -3 to 3: sums of products are exact
    GB_NUMBERS_EXTREME,  // half of them signed zeros, subnormal, tiny and huge numbers
};

// One run of a kernel. Operands are indexed as in its description; those that a problem does
// without, and optional ones left out, have no data.
struct gb_call {
    const struct gb_backend *backend;
    const struct gb_exec *exec;
    const struct gb_operation *operation;
    enum gb_direction direction;
    const void *problem; // the operation's struct
    void *plan;          // gb_operation.plan_bytes; NULL where the operation has no plan
    const struct gb_adam *adam;
    enum gb_numbers numbers;
    uint64_t seed;
    double sum_start; // what sums hold before the run
    struct gb_tensor operand[GB_MAX_OPERANDS];
    // For definitions: the values of packed operands in PyTorch's order.
    float *unpacked[GB_MAX_OPERANDS];
};

// What an element should be, within `bound` for any order of the kernel's roundings; `terms`: how
// many elements of other operands were read for it, if many.
struct gb_expected {
    double value, bound, terms;
};
static inline struct gb_expected gb_within(double value, double bound) {
    return (struct gb_expected){value, bound, 1};
}

// Of an element: FLOPs, and floats that are moved.
struct gb_element_cost {
    double flops, floats;
};
enum { GB_MAX_WORDS = 4 };

struct gb_kernel {
    const char *entry;                 // its name in kernels/registry.h
    const struct gb_operand *operands; // ended by one without a name
    void (*call)(const struct gb_call *call);
    // Bytes of scratch for call->exec->threads; NULL: none.
    size_t (*scratch)(const struct gb_call *call);
    // Element `at` = [n, y, x, c] of an output (of a packed one: of its unpacked values), in double
    // precision. Inputs, and what is updated in place, hold their values from before the run, other
    // outputs the kernel's results.
    struct gb_expected (*definition)(const struct gb_call *call, int operand, const int at[4]);
    enum gb_traffic traffic;
    // By the value of the problem's word; where it is zero the first one holds. Not of operations
    // with a `cost`.
    struct gb_element_cost costs[GB_MAX_WORDS];
    // Makes filled inputs valid where gb_fill cannot; idempotent. NULL:
    // they are.
    void (*prepare)(const struct gb_call *call);
    bool timed_in_place; // benchmarks run it in place, as models do
    // Float outputs are bitwise those of the scalar reference on every native backend.
    bool reference_bits;
    bool integers, extremes; // tests run it on such numbers too
};

// A direction's kernel in a description, from what its file calls `name`: the operands
// NAME_operands, the uniform call call_NAME and the definition define_NAME. Other members follow.
#define GB_KERNEL(direction, kernel, name, ...)                                                    \
    [direction] = {.entry = #kernel,                                                               \
                   .operands = name##_operands,                                                    \
                   .call = call_##name,                                                            \
                   .definition = define_##name,                                                    \
                   __VA_ARGS__}

// A definition define_NAME begins with GB_DEFINITION(NAME).
#define GB_DEFINITION(name)                                                                        \
    static struct gb_expected define_##name(const struct gb_call *call,                            \
                                            __attribute__((unused)) int operand, const int at[4])
// call_NAME, which runs an entry of the call's backend with these arguments.
#define GB_CALL(name, entry, ...)                                                                  \
    static void call_##name(const struct gb_call *call) {                                          \
        call->backend->entry(__VA_ARGS__);                                                         \
    }

// plan, plan_free and scratch, by the entries ENTRY_plan and ENTRY_plan_free.
#define GB_PLAN_FUNCTIONS(entry, type)                                                             \
    static enum gb_status plan(const struct gb_call *call, int threads) {                          \
        return call->backend->entry##_plan(call->problem, threads, call->plan);                    \
    }                                                                                              \
    static void plan_free(const struct gb_call *call) {                                            \
        call->backend->entry##_plan_free(call->plan);                                              \
    }                                                                                              \
    static size_t scratch(const struct gb_call *call) {                                            \
        return ((const type *)call->plan)->scratch_bytes;                                          \
    }
// The same of layers with packed weights, their packing, and a plan's problem with another
// activation.
#define GB_PACKED_PLAN_FUNCTIONS(entry)                                                            \
    static enum gb_status plan(const struct gb_call *call, int threads) {                          \
        return call->backend->entry##_plan(call->backend, call->problem, threads, call->plan);     \
    }                                                                                              \
    static void plan_free(const struct gb_call *call) {                                            \
        call->backend->entry##_plan_free(call->plan);                                              \
    }                                                                                              \
    static size_t scratch(const struct gb_call *call) {                                            \
        return gb_##entry##_scratch_bytes(call->plan, call->exec->threads);                        \
    }                                                                                              \
    static size_t packed_floats(const struct gb_call *call) {                                      \
        return ((const struct gb_##entry##_plan *)call->plan)->weight_floats;                      \
    }                                                                                              \
    static void pack(const struct gb_call *call, const float *weights, float *packed) {            \
        call->backend->entry##_pack(call->plan, weights, packed);                                  \
    }                                                                                              \
    static void unpack(const struct gb_call *call, const float *packed, float *weights) {          \
        call->backend->entry##_unpack(call->plan, packed, weights);                                \
    }                                                                                              \
    static struct gb_##entry##_problem with_activation(const struct gb_##entry##_plan *plan,       \
                                                       enum gb_activation activation) {            \
        struct gb_##entry##_problem problem = plan->problem;                                       \
        problem.activation = activation;                                                           \
        return problem;                                                                            \
    }

// One size in a problem's text: its letter, the int in the struct, and its limits.
struct gb_problem_size {
    char letter;
    size_t offset;
    int least, most;
};
enum { GB_SIZE_LIMIT = 1 << 20 }; // for counts of images, pixels or channels
#define GB_SIZE(letter, type, member)                                                              \
    { letter, offsetof(type, member), 1, GB_SIZE_LIMIT }
#define GB_IMAGE_SIZES(type)                                                                       \
    GB_SIZE('n', type, n), GB_SIZE('h', type, h), GB_SIZE('w', type, w), GB_SIZE('c', type, c)

struct gb_operation {
    const char *name;
    const char *what; // in messages: "convolution"
    struct gb_kernel kernels[GB_DIRECTIONS];
    bool product; // its work is sums of products
    // Problems.
    size_t problem_bytes;
    const struct gb_problem_size *sizes; // in the text's order; ended by letter 0
    // The words that may end the text, by the value of the int (or enum) at `word`; ended by NULL.
    // NULL: no word.
    const char *const *words;
    size_t word;
    // What may follow the word, by the value of the enum gb_format at `format`. NULL: nothing.
    const char *const *formats;
    size_t format;
    // What the limits of the single sizes do not say. NULL: nothing.
    enum gb_status (*check)(const void *problem);
    // NULL: each kernel's `costs`, for n*h*w*c elements, or e of an array.
    struct gb_cost (*cost)(const void *problem, enum gb_direction direction);
    // Problems at the edges of vectors, tiles and blocks, as text, for tests; ended by NULL.
    const char *const *edges;
    // Small problems whose forward and backward definitions tests compare by difference quotients;
    // ended by NULL. NULL: backward is not the derivative of forward in the operands of its names.
    const char *const *gradients;
    // Plans; NULL where the operation has none.
    size_t plan_bytes;
    enum gb_status (*plan)(const struct gb_call *call, int threads);
    void (*plan_free)(const struct gb_call *call);
    // The algorithm that a plan chose in a direction; NULL, or returns NULL, if there is no choice
    // to report.
    const char *(*algorithm)(const void *plan, enum gb_direction direction);
    // Packed weights; NULL where the operation has none.
    size_t (*packed_floats)(const struct gb_call *call);
    void (*pack)(const struct gb_call *call, const float *weights, float *packed);
    void (*unpack)(const struct gb_call *call, const float *packed, float *weights);
};

// All of them, ended by NULL.
const struct gb_operation *const *gb_operations(void);

static inline const struct gb_kernel *gb_kernel_of(const struct gb_call *call) {
    return &call->operation->kernels[call->direction];
}

// The direction that stores the gradient which GB_BACKWARD_UPDATE hands to Adam; any other
// direction is returned as it is.
enum gb_direction gb_stored_direction(const struct gb_operation *operation,
                                      enum gb_direction direction);

// ---- Problems as text ----

// GB_BAD_INPUT with a message if a size is outside its limits or no kernel can run the problem.
// `problem`, here and below: the operation's struct.
enum gb_status gb_problem_check(const struct gb_operation *operation, const void *problem);

// Writes a valid problem as text: letter and number for each size, then the word, e.g.
// "n2h16w16c12k256r3s3u1v1p1q1relu".
enum { GB_PROBLEM_TEXT = 112 };
void gb_problem_print(const struct gb_operation *operation, const void *problem,
                      char text[static GB_PROBLEM_TEXT]);

// Reads it back and checks it. GB_BAD_INPUT with a message if the text is not a valid problem of
// this operation; *problem is then undefined.
enum gb_status gb_problem_parse(const struct gb_operation *operation, const char *text,
                                void *problem);

// Of one run in a direction that the operation has.
struct gb_cost gb_problem_cost(const struct gb_operation *operation, const void *problem,
                               enum gb_direction direction);

// GB_BAD_INPUT with a message unless an array has fewer than 2^31 floats, so that every index into
// it fits an int.
enum gb_status gb_floats_check(const char *operation, const char *array, double floats);

// ---- Problems that several operations share ----

// A tensor's shape: the problem of inv1x1, actnorm and add, and of squeeze the input's (h and w
// even). Text "n2h16w16c12".
struct gb_image_problem {
    int n, h, w, c;
};
extern const struct gb_problem_size gb_image_problem_sizes[];
// GB_BAD_INPUT with a message if it has 2^31 floats or more.
enum gb_status gb_image_check(const void *problem);
static inline double gb_image_floats(const struct gb_image_problem *p) {
    return (double)p->n * p->h * p->w * p->c;
}
static inline struct gb_image_problem gb_image_of(const struct gb_tensor *t) {
    return (struct gb_image_problem){t->n, t->h, t->w, t->c};
}

// `count` floats in a row: adam, exp, random_uniform and random_normal. Text "e1024".
struct gb_array_problem {
    int count;
};
extern const struct gb_problem_size gb_array_problem_sizes[];

// A list of texts for a description.
#define GB_TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

// Edges for problems that are an image and a word: sizes below, at and above one and two vectors of
// channels, single pixels, and (the last) enough work to be shared among threads.
#define GB_SMALL_IMAGE_EDGES(word)                                                                 \
    "n1h1w1c1" word, "n2h3w5c2" word, "n1h4w4c6" word, "n3h2w7c12" word, "n1h5w3c16" word,         \
        "n2h3w4c17" word, "n1h3w3c33" word, "n2h2w2c96" word, "n1h2w3c71" word, "n1h1w3c1100" word
#define GB_IMAGE_EDGES(word) GB_SMALL_IMAGE_EDGES(word), "n2h33w40c13" word

// ---- For descriptions ----

// The type of all tensors of an operation with gb_tensor_formats.
enum gb_type gb_tensor_type(const struct gb_call *call);

// Dimensions for problems whose first sizes are n, h, w and c: the image itself, a number per
// sample, a number per channel, a row of channels per sample ([0, 0, sample, channel]); and for a
// struct gb_array_problem.
struct gb_dims gb_dims_image(const struct gb_call *call);
struct gb_dims gb_dims_samples(const struct gb_call *call);
struct gb_dims gb_dims_channels(const struct gb_call *call);
struct gb_dims gb_dims_rows(const struct gb_call *call);
struct gb_dims gb_dims_array(const struct gb_call *call);

// Scratch of kernels that sum terms over each image of their first operand: gb_row_sums_bytes.
size_t gb_row_sums_scratch(const struct gb_call *call);

// An operand's view, or its memory; NULL where it has none.
static inline const struct gb_tensor *gb_view(const struct gb_call *call, int operand) {
    return call->operand[operand].data ? &call->operand[operand] : NULL;
}
static inline float *gb_floats(const struct gb_call *call, int operand) {
    return call->operand[operand].data;
}
static inline double *gb_doubles(const struct gb_call *call, int operand) {
    return call->operand[operand].data;
}
// One value of a view.
static inline double gb_value(const struct gb_call *call, int operand, const int at[4]) {
    return gb_get(&call->operand[operand], at[0], at[1], at[2], at[3]);
}

// Of packed weights: gb_adam_target.split.
static inline size_t gb_operand_split(const struct gb_call *call, int operand) {
    const struct gb_operand *o = &gb_kernel_of(call)->operands[operand];
    return o->type && o->type(call) == GB_BF16 ? gb_elements(&call->operand[operand]) : 0;
}

// The rounding of a float, relative: half a unit in the last place.
#define GB_ROUNDING 0x1p-24

// A sum of products in double, and what its error bound is made of.
struct gb_sum {
    double value, magnitude, terms;
};
static inline void gb_sum_add(struct gb_sum *sum, double a, double b) {
    sum->value += a * b;
    sum->magnitude += fabs(a * b);
    sum->terms++;
}
// (terms + 8) * 2^-24 * sum of |products|; exact for integers.
static inline struct gb_expected gb_sum_expected(const struct gb_call *call, struct gb_sum sum) {
    double rounding = call->numbers == GB_NUMBERS_INTEGERS ? 0 : (sum.terms + 8) * GB_ROUNDING;
    return (struct gb_expected){sum.value, rounding * sum.magnitude, sum.terms};
}

// An expected value as it is stored in an operand: rounded, if that is bf16.
struct gb_expected gb_stored(const struct gb_call *call, int operand, struct gb_expected expected);

// The sum of a term over image n of a problem that begins with a struct gb_image_problem, where
// each row is summed in float: besides its own error a term takes one rounding for each term of a
// row. `error`: in roundings.
struct gb_term {
    double value, magnitude, error;
};
struct gb_expected gb_image_sum(const struct gb_call *call, int n,
                                struct gb_term (*term)(const struct gb_call *call,
                                                       const int at[4]));

#endif
