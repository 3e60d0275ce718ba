// SPDX-License-Identifier: MIT
// Benchmarks of single kernels: for each operation and direction its operands, its run and its
// check. This header is what the files that hold them share, and how the catalogue makes one.
//
// Operands are dense and normally distributed. In a flow some are slices of wider pixels; problems
// do not name strides, since they hardly matter: on the slices that c-Glow uses, couplings, mixes
// and Gaussians take 0 to 1 % longer, actnorm (a forward run of 1 to 17 us) 1 to 15 %. Operands
// that c-Glow updates in place are.
//
// Checks. Products (convolution, fully connected, inv1x1) are held to sums in double precision by the
// plain definition, within twice the kernel's own error bound (it states one rounding a term; two
// leave room for libraries that scale in another order). Where all outputs would take more than
// GB_CHECK_PRODUCTS multiply-adds, a fixed sample of outputs is, spread over the whole and the last
// included. Everything else is run by the scalar reference too, and may differ by GB_CHECK_ROUNDING
// of the larger of 1 and the value; a sum's 1 is its number of terms. Where Adam is fused, the
// gradient is checked stored, and weights and moments must have the bits that Adam makes of it.
#ifndef GB_KERNEL_BENCHMARKS_H
#define GB_KERNEL_BENCHMARKS_H

#include "bench/runner/benchmark.h"
#include "kernels/trace.h"

enum { GB_CHECK_PRODUCTS = 1 << 23 };
#define GB_CHECK_ROUNDING 0x1p-18
#define GB_CHECK_LEARNING_RATE 1e-3f

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

// What a benchmark of a kernel describes.
struct gb_kernel_description {
    const struct gb_timed_kernel *kernel;
    struct gb_any_problem problem;
};
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
void gb_kernel_take_scratch(struct gb_kernel_state *state, size_t floats);
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

// Makes a benchmark of "conv/forward/n2h...", but for backend, threads and shares; its description
// is the caller's to free. GB_BAD_INPUT where the text is no problem of a kernel.
enum gb_status gb_kernel_benchmark(const char *text, struct gb_benchmark *benchmark);
// The backend whose kernel runs where this one is asked for: itself, or the fallback of what it
// lacks.
const struct gb_backend *gb_kernel_owner(const struct gb_benchmark *benchmark,
                                         const struct gb_backend *backend);
// What a layer or a pass is compared with, by its check_flops: scalar on one thread, or the other
// native backend on as many threads as the benchmark has.
enum gb_status gb_reference_of(const struct gb_benchmark *benchmark,
                               const struct gb_backend **backend, int *threads);
// Gives the benchmark the backend that owns its kernel.
void gb_kernel_place(struct gb_benchmark *benchmark, const struct gb_backend *owner);

#endif
