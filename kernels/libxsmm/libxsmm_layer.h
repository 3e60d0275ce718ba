// SPDX-License-Identifier: MIT
// Shared by the backend's operations: a layer of libxsmm's with its operands, and copies between
// views and blocked tensors.
#ifndef GB_LIBXSMM_LAYER_H
#define GB_LIBXSMM_LAYER_H

#include "kernels/bf16/units.h"
#include "kernels/conv/conv.h"
#include "kernels/fc/fc.h"
#include "kernels/libxsmm/libxsmm_library.h"
#include "kernels/operation.h"
#include "kernels/vendor.h"

// ---- Layers ----

enum { X_OPERAND, DX_OPERAND, Y_OPERAND, DY_OPERAND, WEIGHTS_OPERAND, GRADIENT_OPERAND, OPERANDS };

// The library has functions of its own for each kind of layer. `handle` is what `make` returned,
// NULL with a status on failure.
struct layer_kind {
    void *(*make)(const void *shape, int threads, libxsmm_dnn_err_t *status);
    void (*free)(void *handle);
    libxsmm_dnn_tensor_datalayout *(*describe)(void *handle, libxsmm_dnn_tensor_type type,
                                               libxsmm_dnn_err_t *status);
    libxsmm_dnn_err_t (*bind)(void *handle, const libxsmm_dnn_tensor *tensor,
                              libxsmm_dnn_tensor_type type);
    size_t (*scratch_bytes)(void *handle);
    void (*bind_scratch)(void *handle, void *scratch);
    libxsmm_dnn_err_t (*run)(void *handle, libxsmm_dnn_compute_kind what, int rank);
};

struct layer {
    const struct layer_kind *kind;
    int threads;
    // The layer for that many threads, all of which must run it, and for one; with one thread the
    // same.
    void *parallel, *serial;
    libxsmm_dnn_tensor *operands[OPERANDS]; // of both
    size_t scratch_bytes;                   // a multiple of GB_ALIGNMENT
};

// Makes both layers. `operation` and `problem` are for the message. On failure *layer is freed.
enum gb_status gb_libxsmm_layer_make(const struct layer_kind *kind, const void *shape, int threads,
                                     const struct gb_operation *operation, const void *problem,
                                     struct layer *layer);
void gb_libxsmm_layer_free(struct layer *layer);

void gb_libxsmm_set(const struct layer *layer, int operand, const void *data);

// Runs the layer on its threads, or on one if `threads` is 1 or no more are granted.
void gb_libxsmm_run(const struct layer *layer, int threads, libxsmm_dnn_compute_kind what,
                    void *scratch);

// For gb_backend_check.
enum gb_status gb_libxsmm_check(void);

// ---- Blocked tensors ----

// Of a view: per image, per block of channels, rows of pixels of `channels` floats, with zeros
// around each image.
struct blocks {
    int channels; // a divisor of the view's
    int pad_h, pad_w;
};

// In bytes, a multiple of GB_ALIGNMENT.
size_t gb_libxsmm_blocks_bytes(const struct gb_tensor *view, const struct blocks *blocks);

// An input in blocks: the view's own data if it is laid out so, otherwise a copy in `buffer`.
const void *gb_libxsmm_input(const struct gb_exec *exec, const struct gb_tensor *view,
                             const struct blocks *blocks, void *buffer);
// Where an output is computed: the view itself or `buffer`.
void *gb_libxsmm_output(const struct gb_tensor *view, const struct blocks *blocks, void *buffer);
// Copies it from there to the view, with the epilogue; NULL: none.
void gb_libxsmm_finish(const struct gb_exec *exec, const struct gb_vendor_fallback *fallback,
                       const void *output, const struct blocks *blocks,
                       const struct gb_conv_epilogue *epilogue, enum gb_activation activation,
                       const struct gb_tensor *view);

// ---- bf16 operands ----

// Runs plans for them, which keep data of their own.
extern const struct gb_bf16_unit gb_libxsmm_bf16;
__typeof__(*(gb_conv_plan_fn)0) gb_libxsmm_bf16_conv_plan;
__typeof__(*(gb_fc_plan_fn)0) gb_libxsmm_bf16_fc_plan;

// The samples of a fully connected layer as the pixels of a row.
struct gb_tensor gb_libxsmm_samples(const struct gb_tensor *t);

// ---- Plans ----

// What a plan's backend_data points to.
struct libxsmm_plan {
    const struct gb_vendor_fallback *fallback;
    bool is_native; // the fallback runs the problem, with its own plan:
    union {
        struct gb_conv_plan conv;
        struct gb_fc_plan fc;
    } native;
    struct layer layer;
    struct blocks x, y;
    // Offsets in scratch, in bytes, after x in blocks: y in blocks; the weight gradient, for Adam;
    // libxsmm's scratch; what follows.
    size_t y_at, gradient_at, layer_at, end;
};

// GB_OUT_OF_MEMORY. Freed by `free`, its layer or native plan before.
enum gb_status gb_libxsmm_plan_make(const struct gb_backend *backend,
                                    const struct gb_operation *operation,
                                    struct libxsmm_plan **plan);

// Sets the offsets for views of these shapes, once layer, x and y are set.
void gb_libxsmm_divide_scratch(struct libxsmm_plan *plan, const struct gb_tensor *x,
                               const struct gb_tensor *y, size_t weight_floats);

// Defines plan_native, which plans on the fallback, and gb_libxsmm_<op>_plan_free.
#define GB_LIBXSMM_NATIVE_PLANS(op)                                                                \
    static enum gb_status plan_native(const struct gb_backend *backend,                            \
                                      const struct gb_##op##_problem *problem, int threads,        \
                                      struct gb_##op##_plan *plan) {                               \
        const struct gb_backend *native = backend->fallback;                                       \
        struct libxsmm_plan *own;                                                                  \
        GB_TRY(gb_libxsmm_plan_make(backend, &gb_##op##_operation, &own));                         \
        own->is_native = true;                                                                     \
        const enum gb_status status =                                                              \
            native->op##_plan(native, problem, threads, &own->native.op);                          \
        if (status != GB_OK) {                                                                     \
            free(own);                                                                             \
            return status;                                                                         \
        }                                                                                          \
        *plan = own->native.op;                                                                    \
        plan->backend_data = own;                                                                  \
        return GB_OK;                                                                              \
    }                                                                                              \
    void gb_libxsmm_##op##_plan_free(struct gb_##op##_plan *plan) {                                \
        GB_BF16_ROUTE(op##_plan_free, plan);                                                       \
        struct libxsmm_plan *own = plan->backend_data;                                             \
        if (own && own->is_native)                                                                 \
            own->fallback->backend->op##_plan_free(&own->native.op);                               \
        else if (own)                                                                              \
            gb_libxsmm_layer_free(&own->layer);                                                    \
        free(own);                                                                                 \
        plan->backend_data = NULL;                                                                 \
    }

// First in an entry of convolution (`op` conv) or the fully connected layer (fc): to the fallback,
// if it runs the plan.
#define GB_LIBXSMM_ROUTE(op, entry, ...)                                                           \
    do {                                                                                           \
        const struct libxsmm_plan *routed = plan->backend_data;                                    \
        if (routed->is_native) {                                                                   \
            routed->fallback->backend->op##_##entry(&routed->native.op, __VA_ARGS__);              \
            return;                                                                                \
        }                                                                                          \
    } while (0)

// ---- The entries ----

// clang-format off
#define GB_LIBXSMM_ENTRIES(X)                                                                      \
    X(conv_plan) X(conv_plan_free) X(conv_pack) X(conv_unpack)                                     \
    X(conv_forward) X(conv_backward_data) X(conv_backward_weights)                                 \
    X(fc_plan) X(fc_plan_free) X(fc_pack) X(fc_unpack) X(fc_forward) X(fc_backward)
// clang-format on

#define GB_DECLARE_ENTRY(entry) __typeof__(*(gb_##entry##_fn)0) gb_libxsmm_##entry;
GB_LIBXSMM_ENTRIES(GB_DECLARE_ENTRY)
#undef GB_DECLARE_ENTRY

#endif
