// SPDX-License-Identifier: MIT
#include "kernels/blas/blas.h"

#include <stdio.h>

#include <omp.h>

#if defined(GB_BLAS_IS_BLIS)
#include <blis.h>
#else
#include GB_BLAS_HEADER
#endif

#include "kernels/blas/layers.h"
#include "kernels/blas/product.h"
#include "kernels/natives.h"

#if defined(GB_BLAS_IS_BLIS)
// Through BLIS's own interface, since it does not ask OpenMP for the number of threads, and since
// the kernels that it takes for small matrices by default read beyond the operands' ends (0.9).
void gb_blas_multiply(int rows, int columns, int depth, struct gb_matrix a, bool a_transposed,
                      struct gb_matrix b, bool b_transposed, bool add, struct gb_matrix c) {
    rntm_t how = BLIS_RNTM_INITIALIZER;
    bli_rntm_set_num_threads(1, &how);
    bli_rntm_disable_l3_sup(&how);
    float one = 1.0f, kept = add ? 1.0f : 0.0f;
    bli_sgemm_ex(a_transposed ? BLIS_TRANSPOSE : BLIS_NO_TRANSPOSE,
                 b_transposed ? BLIS_TRANSPOSE : BLIS_NO_TRANSPOSE, rows, columns, depth, &one,
                 a.data, a.pitch, 1, b.data, b.pitch, 1, &kept, c.data, c.pitch, 1, NULL, &how);
}
#else
void gb_blas_multiply(int rows, int columns, int depth, struct gb_matrix a, bool a_transposed,
                      struct gb_matrix b, bool b_transposed, bool add, struct gb_matrix c) {
    cblas_sgemm(CblasRowMajor, a_transposed ? CblasTrans : CblasNoTrans,
                b_transposed ? CblasTrans : CblasNoTrans, rows, columns, depth, 1.0f, a.data,
                (int)a.pitch, b.data, (int)b.pitch, add ? 1.0f : 0.0f, c.data, (int)c.pitch);
}
#endif

// Inside a parallel region an OpenMP library takes one thread; outside, omp_get_max_threads().
void gb_blas_parallel(int threads, gb_parallel_body body, void *argument) {
    int before = omp_get_max_threads();
    omp_set_num_threads(1);
    gb_parallel(threads, body, argument);
    omp_set_num_threads(before);
}

void gb_blas_update(const struct gb_blas_fallback *fallback, const struct gb_adam_target *target,
                    size_t first, size_t count, const float *gradient) {
    const struct gb_exec alone = {.threads = 1};
    fallback->backend->adam(&alone, target->adam, count, gradient, target->weights + first,
                            target->moment1 + first, target->moment2 + first);
}

// Name and version as found at run time.
static const char *library(void) {
    static char text[160];
#if defined(GB_BLAS_IS_OPENBLAS)
    snprintf(text, sizeof text, "%s", openblas_get_config());
#elif defined(GB_BLAS_IS_BLIS)
    snprintf(text, sizeof text, "BLIS %s %s", bli_info_get_version_str(),
             bli_arch_string(bli_arch_query_id()));
#else
    snprintf(text, sizeof text, "%s, version unknown", GB_BLAS_NAME);
#endif
    return text;
}

const struct gb_blas_fallback *gb_blas_fallback_of(const struct gb_backend *backend) {
#define OVER(isa) {&gb_backend__##isa, gb_blas_epilogue__##isa},
    static const struct gb_blas_fallback fallbacks[] = {GB_ISAS(OVER)};
#undef OVER
    const struct gb_blas_fallback *fallback = fallbacks;
    while (fallback->backend != backend->fallback)
        fallback++;
    return fallback;
}

void gb_blas_overlay(struct gb_backend *table) {
    table->name = "blas";
    table->library = library();
#define LAY(entry) table->entry = gb_blas_##entry;
    GB_BLAS_LAYERS(LAY)
#undef LAY
}
