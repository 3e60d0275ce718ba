// SPDX-License-Identifier: MIT
// What the kernels' tests share: guarded memory, fills, comparisons, the lists to loop over, and
// the check of a kernel. The checks return false and print what they found, so that
// tests/kernels/test_checker.c can hold them to account; tests wrap them in assert_true.
#ifndef GB_CHECK_H
#define GB_CHECK_H

#include "kernels/backend.h"

// Memory. Every buffer lies between guard zones; guards, gaps and the buffer itself start as a
// signalling NaN with a recognisable payload, so that an output never written, or a value read from
// outside, shows as NaN in the result. All buffers are listed until gb_check_free.
enum gb_check_layout {
    GB_CHECK_DENSE, // dense, 64-byte aligned, a guard zone on both sides
    GB_CHECK_FLUSH, // dense, its last float the last of a page, the next page inaccessible: reads
                    // beyond the end crash
    GB_CHECK_SLICE, // the last channels of wider pixels, with gaps after rows and images; flush
    GB_CHECK_LAYOUTS
};

// `count` floats. `name` (kept by pointer) appears in messages. Ends the program if memory is
// short.
float *gb_check_floats(const char *name, size_t count, enum gb_check_layout layout);
struct gb_tensor gb_check_view(const char *name, int n, int h, int w, int c,
                               enum gb_check_layout layout);
// `count` zeros.
double *gb_check_doubles(const char *name, size_t count);
// An execution on `threads` threads with guarded scratch.
struct gb_exec gb_check_exec(int threads, size_t scratch_bytes);
// True if no guard or gap of any live buffer was touched.
bool gb_check_guards(void);
// Frees all buffers.
void gb_check_free(void);

// Fills. Values depend on the seed, `stream` and the element's index alone, not on the layout.
enum gb_check_fill {
    GB_CHECK_INTEGERS,     // -3 .. 3: short sums of products are exact
    GB_CHECK_NORMAL,       // mean 0, deviation 1
    GB_CHECK_PATHOLOGICAL, // signed zeros, subnormal, tiny, large and normal numbers
};
void gb_check_fill(const struct gb_tensor *t, enum gb_check_fill fill, uint32_t stream);
void gb_check_fill_floats(float *data, size_t count, enum gb_check_fill fill, uint32_t stream);
// $GB_TEST_SEED, or 1; printed when first asked for.
uint64_t gb_check_seed(void);

// Comparisons; each prints how many elements differ and where the worst one is.
bool gb_check_same_bits(const char *what, const struct gb_tensor *want,
                        const struct gb_tensor *got);
bool gb_check_same_floats(const char *what, size_t count, const float *want, const float *got);
// |got - want| <= bound for every element; want and bound in dense order. NaN never passes.
bool gb_check_near(const char *what, const struct gb_tensor *got, const double *want,
                   const double *bound);
// The same for one number.
bool gb_check_number(const char *what, double got, double want, double bound);
#define assert_number(...) assert_true(gb_check_number(__VA_ARGS__))
// Half a unit in the last place of float, relative: the error of one rounding.
#define GB_CHECK_ROUNDING 0x1p-24
// Silences the messages while a check is meant to fail.
extern bool gb_check_quiet;

// Lists.
// True if this CPU runs it and $GB_TEST_BACKENDS, names separated by commas, lists it or is empty.
bool gb_check_runs(const struct gb_backend *backend);
// The same. ThreadSanitizer's build leaves out the reference, which is several times as slow there
// as all others together and shares its work as simply as can be, and vendor libraries: libxsmm,
// the one that it has, is covered by its own test.
bool gb_check_covers(const struct gb_backend *backend);
// gb_backends(), followed by the vendor libraries over the second-best native backend: what they
// need of their fallback is another's there.
const struct gb_backend *const *gb_check_backends(void);
#define GB_CHECK_EACH_BACKEND(backend)                                                             \
    for (const struct gb_backend *const *backend##_at = gb_check_backends(), *backend;             \
         (backend = *backend##_at); backend##_at++)                                                \
        if (gb_check_covers(backend))
// The plain reference.
const struct gb_backend *gb_check_reference(void);
enum { GB_CHECK_MAX_THREADS = 3 };

// Kernels.
// What a kernel's description (kernels/operation.h) promises, tested: on all layouts, numbers and
// thread counts, in place and not, with and without optional operands,
//   - results are within the definition's bound, outputs and scratch having been filled with NaN;
//   - they are bitwise the same for any thread count, in place or not, where the backend promises
//     it, and those of the scalar reference where the kernel does;
//   - guard zones, gaps and inputs stay as they were, and nothing is read beyond the end;
//   - the padding of channels and of packed gradients is zero.

// One kernel on one backend; `text`: a problem of the operation.
bool gb_check_kernel(const struct gb_backend *backend, const struct gb_operation *operation,
                     enum gb_direction direction, const char *text);

// All directions of the operation on all backends of this CPU.
bool gb_check_problem(const struct gb_operation *operation, const char *text);

// The same, or gb_check_gradients, with one row for all samples instead of a row per sample
// (gb_dims_rows), which kernels take as a stride of 0.
bool gb_check_shared_rows(const struct gb_operation *operation, const char *text,
                          bool (*check)(const struct gb_operation *, const char *));

// The definition of the backward direction against difference quotients of the forward one, in
// double. Operands are matched by name: the gradient of v is "dv" or "d_v", on either side.
// Optional operands are left out.
bool gb_check_gradients(const struct gb_operation *operation, const char *text);

#endif
