// SPDX-License-Identifier: MIT
#include "kernels/blas/blas.h"

#include <stdio.h>
#include <string.h>

#include <omp.h>

#if defined(GB_BLAS_IS_BLIS)
#include <blis.h>
#elif defined(GB_BLAS_IS_MKL)
#include <mkl_cblas.h>
#include <mkl_service.h>
#include <mkl_version.h>
#else
#include GB_BLAS_HEADER
#endif

#include "kernels/blas/layers.h"
#include "kernels/blas/product.h"

#if defined(GB_BLAS_IS_OPENBLAS)
#define TITLE "OpenBLAS"
#define FUNCTIONS(X)                                                                               \
    X(sgemm, cblas_sgemm) X(get_config, openblas_get_config) X(get_parallel, openblas_get_parallel)
#elif defined(GB_BLAS_IS_SCIPY_OPENBLAS)
#define TITLE "scipy-openblas32"
#define FUNCTIONS(X)                                                                               \
    X(sgemm, scipy_cblas_sgemm)                                                                    \
    X(get_config, scipy_openblas_get_config)                                                       \
    X(set_num_threads, scipy_openblas_set_num_threads)
#elif defined(GB_BLAS_IS_MKL)
#define TITLE "MKL"
#define FUNCTIONS(X)                                                                               \
    X(sgemm, cblas_sgemm)                                                                          \
    X(set_threading_layer, MKL_Set_Threading_Layer)                                                \
    X(get_version, MKL_Get_Version)
#elif defined(GB_BLAS_IS_BLIS)
#define TITLE "BLIS"
#define FUNCTIONS(X)                                                                               \
    X(sgemm_ex, bli_sgemm_ex)                                                                      \
    X(get_version, bli_info_get_version_str)                                                       \
    X(arch_string, bli_arch_string)                                                                \
    X(arch_query_id, bli_arch_query_id)
#else
#define TITLE GB_BLAS_NAME
#define FUNCTIONS(X) X(sgemm, cblas_sgemm)
#endif

// The library's functions, filled once by `load`, and its name and version.
static struct {
#define MEMBER(name, function) __typeof__(function) *name;
    FUNCTIONS(MEMBER)
#undef MEMBER
} functions;
static char version[160];

#if defined(GB_BLAS_IS_BLIS)
// Through BLIS's own interface, since it does not ask OpenMP for the number of threads, and since
// the kernels that it takes for small matrices by default read beyond the operands' ends (0.9).
void gb_blas_multiply(int rows, int columns, int depth, struct gb_matrix a, bool a_transposed,
                      struct gb_matrix b, bool b_transposed, bool add, struct gb_matrix c) {
    rntm_t how = BLIS_RNTM_INITIALIZER;
    bli_rntm_set_num_threads(1, &how); // the header's, as the next
    bli_rntm_disable_l3_sup(&how);
    float one = 1.0f, kept = add ? 1.0f : 0.0f;
    functions.sgemm_ex(a_transposed ? BLIS_TRANSPOSE : BLIS_NO_TRANSPOSE,
                       b_transposed ? BLIS_TRANSPOSE : BLIS_NO_TRANSPOSE, rows, columns, depth,
                       &one, a.data, a.pitch, 1, b.data, b.pitch, 1, &kept, c.data, c.pitch, 1,
                       NULL, &how);
}
#else
void gb_blas_multiply(int rows, int columns, int depth, struct gb_matrix a, bool a_transposed,
                      struct gb_matrix b, bool b_transposed, bool add, struct gb_matrix c) {
    functions.sgemm(CblasRowMajor, a_transposed ? CblasTrans : CblasNoTrans,
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

void gb_blas_update(const struct gb_vendor_fallback *fallback, const struct gb_adam_target *target,
                    size_t first, size_t count, const float *gradient) {
    const struct gb_exec alone = {.threads = 1};
    fallback->backend->adam(&alone, target, first, count, gradient);
}

// ---- Loading ----

// OpenBLAS asks for its buffers again and again where there is no address space for them: one when
// it is loaded, one for each thread.
static enum gb_status need_space(int buffers) {
#if defined(GB_BLAS_IS_OPENBLAS) || defined(GB_BLAS_IS_SCIPY_OPENBLAS)
    enum { LIBRARY = 64 << 20, BUFFER = 256 << 20 };
    return gb_vendor_check_space(TITLE, LIBRARY + (size_t)buffers * BUFFER);
#else
    (void)buffers;
    return GB_OK;
#endif
}

static enum gb_status load(void) {
#define ENTRY(name, function) {#function, (void **)&functions.name},
    static const struct gb_vendor_function list[] = {FUNCTIONS(ENTRY)};
#undef ENTRY
    static const struct gb_vendor_library library = {
        TITLE, GB_BLAS_FILE, GB_BLAS_PATH, list, sizeof list / sizeof *list, false};
    GB_TRY(need_space(1));
    GB_TRY(gb_vendor_load(&library));
#if defined(GB_BLAS_IS_OPENBLAS)
    if (functions.get_parallel() != OPENBLAS_OPENMP)
        return gb_fail(GB_UNSUPPORTED, "cannot load library", TITLE,
                       "%s does not run on OpenMP (Debian: libopenblas0-openmp)", GB_BLAS_FILE);
    snprintf(version, sizeof version, "%s", functions.get_config());
#elif defined(GB_BLAS_IS_SCIPY_OPENBLAS)
    functions.set_num_threads(1); // it has threads of its own
    snprintf(version, sizeof version, "%s", functions.get_config());
#elif defined(GB_BLAS_IS_MKL)
    functions.set_threading_layer(MKL_THREADING_SEQUENTIAL);
    MKLVersion found;
    functions.get_version(&found);
    snprintf(version, sizeof version, "MKL %d.%d.%d", found.MajorVersion, found.MinorVersion,
             found.UpdateVersion);
#elif defined(GB_BLAS_IS_BLIS)
    snprintf(version, sizeof version, "BLIS %s %s", functions.get_version(),
             functions.arch_string(functions.arch_query_id()));
#else
    snprintf(version, sizeof version, "%s, version unknown", GB_BLAS_NAME);
#endif
    return GB_OK;
}

enum gb_status gb_blas_load(int threads) {
    static struct gb_vendor_once once = GB_VENDOR_ONCE;
    GB_TRY(gb_vendor_load_once(&once, load));
    return threads > 0 ? need_space(threads) : GB_OK;
}

// "OpenBLAS 0.3.21" of " OpenBLAS 0.3.21 ", with which cblas.h describes itself.
static const char *header_version(void) {
#if defined(OPENBLAS_VERSION)
    static char text[sizeof OPENBLAS_VERSION];
    const char *begin = &OPENBLAS_VERSION[strspn(OPENBLAS_VERSION, " ")];
    size_t length = strlen(begin);
    while (length > 0 && begin[length - 1] == ' ')
        length--;
    memcpy(text, begin, length);
    return text;
#elif defined(GB_BLAS_IS_MKL)
    static char text[32];
    snprintf(text, sizeof text, "MKL %d.%d.%d", __INTEL_MKL__, __INTEL_MKL_MINOR__,
             __INTEL_MKL_UPDATE__);
    return text;
#else
    return TITLE ", version unknown";
#endif
}

static enum gb_status load_library(void) {
    return gb_blas_load(0);
}

void gb_blas_overlay(struct gb_backend *table) {
    table->name = "blas";
    table->library = version;
    table->built_with = header_version();
    table->load = load_library;
#define LAY(entry) table->entry = gb_blas_##entry;
    GB_BLAS_LAYERS(LAY)
#undef LAY
}
