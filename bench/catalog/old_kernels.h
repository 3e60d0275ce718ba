// SPDX-License-Identifier: MIT
// Operations whose description (kernels/operation.h) has no call yet.
#ifndef GB_OLD_KERNELS_H
#define GB_OLD_KERNELS_H

#include "bench/catalog/kernel_benchmarks.h"
#include "bench/runner/benchmark.h"
#include "kernels/trace.h"

#define GB_CHECK_ROUNDING 0x1p-18

enum gb_timed_fill {
    GB_TIMED_NORMAL,
    GB_TIMED_SMALL,   // deviation 1/4: exponents
    GB_TIMED_UNIFORM, // in [0, 1)
    GB_TIMED_MASK,    // 0 and 1, the same in every operand
    GB_TIMED_ZERO,
    GB_TIMED_WEIGHTS, // packed weights that keep the size of sums near 1
};
enum gb_timed_role { GB_ROLE_IN, GB_ROLE_OUT, GB_ROLE_IN_PLACE };

struct gb_timed_operand {
    struct gb_tensor view;
    enum gb_timed_role role;
    enum gb_timed_fill fill;
    double terms; // of the sum that an element is; 1: it is none
};

struct gb_kernel_state {
    const struct gb_benchmark *benchmark;
    const struct gb_backend *backend;
    struct gb_arena *arena; // during plan
    struct gb_exec exec;
    double reorder_seconds;
    union {
        struct gb_conv_plan conv;
        struct gb_fc_plan fc;
        struct gb_inv1x1_plan inv1x1;
        struct gb_pool_plan pool;
        struct gb_upsample_plan upsample;
    } plan;
    struct gb_timed_operand operand[8]; // by the kernel's own enum, in the order of taking
    int operands;
    int weights;  // the operand that holds the weights, of operations that pack them
    double *sums; // one a sample, that the kernel adds to; NULL: none
    int sum_count;
    double sum_terms;
    struct gb_adam adam; // its learning rate is 0 but in checks, so that every run does the same
};

// One operation in one direction.
struct gb_timed_kernel {
    const struct gb_operation *operation;
    enum gb_direction direction;
    enum gb_traffic traffic;
    // Makes the plan and takes operands and scratch.
    enum gb_status (*plan)(struct gb_kernel_state *state);
    void (*run)(struct gb_kernel_state *state);
    void (*free)(struct gb_kernel_state *state); // the plan; NULL: there is none
    // NULL: against the reference, as above.
    enum gb_status (*check)(struct gb_kernel_state *state);
};

// The tables, ended by one without an operation.
extern const struct gb_timed_kernel gb_product_kernels[];
extern const struct gb_timed_kernel gb_elementwise_kernels[];

static inline const void *gb_kernel_problem(const struct gb_kernel_state *state) {
    const struct gb_kernel_description *description = state->benchmark->description;
    return &description->problem;
}

// For plan: the next operand.
void gb_kernel_take(struct gb_kernel_state *state, enum gb_timed_role role, enum gb_timed_fill fill,
                    int n, int h, int w, int c);
// A row of floats a channel, readable to the padding.
void gb_kernel_take_channels(struct gb_kernel_state *state, enum gb_timed_role role,
                             enum gb_timed_fill fill, int channels);
void gb_kernel_take_sums(struct gb_kernel_state *state, int count, double terms);
void gb_kernel_take_scratch(struct gb_kernel_state *state, size_t bytes);
static inline float *gb_kernel_floats(const struct gb_kernel_state *state, int operand) {
    return state->operand[operand].view.data;
}

// For check: all operands and sums as setup filled them.
enum gb_status gb_kernel_refill(struct gb_kernel_state *state);
// Then one run, in which Adam moves the weights.
enum gb_status gb_kernel_run_afresh(struct gb_kernel_state *state);
// Normal numbers that depend on `stream` alone; `spread` is their deviation.
void gb_kernel_fill_normal(const struct gb_kernel_state *state, uint32_t stream, float spread,
                           size_t count, float *floats);
// Values of an operand's weights in PyTorch's order. GB_OUT_OF_MEMORY; else the caller's to free.
enum gb_status gb_kernel_weights(const struct gb_kernel_state *state, float **elements);
// Brings PyTorch's order into the plan's.
void gb_kernel_pack(const struct gb_kernel_state *state, const float *elements, float *packed);

// GB_CHECK_FAILED, naming the benchmark. `where`: an element of `view`, in dense order.
enum gb_status gb_kernel_differs(const struct gb_kernel_state *state, const char *what,
                                 const struct gb_tensor *view, size_t where, double got,
                                 double want, double bound);

const struct gb_timed_kernel *gb_old_kernel(const struct gb_operation *operation,
                                            enum gb_direction direction);
void gb_old_benchmark(struct gb_benchmark *benchmark);
double gb_old_reorder_seconds(void *state);

#endif
