// SPDX-License-Identifier: MIT
#include "tests/kernels/check.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernels/cpu.h"

// As in the library's threads.
__attribute__((constructor)) static void flush_denormals(void) {
    gb_flush_denormals();
}

enum { GUARD_FLOATS = 64 };
static const uint32_t guard_bits = 0x7fa0dead; // a signalling NaN

bool gb_check_quiet = false;

__attribute__((format(printf, 1, 2))) static void complain(const char *format, ...) {
    if (gb_check_quiet)
        return;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

// Memory.

struct buffer {
    const char *name;
    float *map; // whole pages, then one inaccessible page
    size_t map_floats;
    struct gb_tensor view; // all that may be written
    struct buffer *next;
};
static struct buffer *buffers;

static void *must(void *memory) {
    if (!memory || memory == MAP_FAILED) {
        perror("test memory");
        exit(2);
    }
    return memory;
}

// Maps `floats` floats between guards; the result is their first.
static float *map_guarded(struct buffer *b, size_t floats, bool flush) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t bytes = gb_round_up((floats + 2 * GUARD_FLOATS) * sizeof(float), page);
    b->map =
        must(mmap(NULL, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    b->map_floats = bytes / sizeof(float);
    if (mprotect((char *)b->map + bytes, page, PROT_NONE) != 0)
        must(NULL);
    for (size_t i = 0; i < b->map_floats; i++)
        memcpy(&b->map[i], &guard_bits, sizeof guard_bits);
    return b->map + (flush ? b->map_floats - floats : GUARD_FLOATS);
}

struct gb_tensor gb_check_view(const char *name, int n, int h, int w, int c,
                               enum gb_check_layout layout) {
    enum { CHANNELS_BEFORE = 5, ROW_GAP = 3, IMAGE_GAP = 7 };
    struct gb_tensor t = gb_dense(NULL, n, h, w, c);
    size_t before = 0;
    if (layout == GB_CHECK_SLICE) {
        before = CHANNELS_BEFORE;
        t.pixel = c + CHANNELS_BEFORE;
        t.row = w * t.pixel + ROW_GAP;
        t.image = h * t.row + IMAGE_GAP;
    }
    const ptrdiff_t last = (n - 1) * t.image + (h - 1) * t.row + (w - 1) * t.pixel + c - 1;
    struct buffer *b = must(malloc(sizeof *b));
    t.data = map_guarded(b, before + (size_t)last + 1, layout != GB_CHECK_DENSE) + before;
    b->name = name;
    b->view = t;
    b->next = buffers;
    buffers = b;
    return t;
}

float *gb_check_floats(const char *name, size_t count, enum gb_check_layout layout) {
    // A row of no floats still gets an address.
    return gb_check_view(name, 1, 1, 1, count ? (int)count : 1, layout).data;
}

double *gb_check_doubles(const char *name, size_t count) {
    double *data = (void *)gb_check_floats(name, 2 * count, GB_CHECK_DENSE);
    memset(data, 0, count * sizeof *data);
    return data;
}

struct gb_exec gb_check_exec(int threads, size_t scratch_bytes) {
    return (struct gb_exec){
        .threads = threads,
        .scratch = gb_check_floats("scratch", scratch_bytes / sizeof(float), GB_CHECK_DENSE),
        .scratch_bytes = scratch_bytes};
}

static bool guards_intact(const struct buffer *b) {
    bool *owned = must(calloc(b->map_floats, sizeof *owned));
    GB_EACH_ELEMENT(&b->view, at)
        owned[gb_element(&b->view, at) - b->map] = true;
    size_t touched = 0;
    ptrdiff_t first = 0;
    for (size_t i = 0; i < b->map_floats; i++) {
        if (owned[i] || memcmp(&b->map[i], &guard_bits, sizeof guard_bits) == 0)
            continue;
        if (touched++ == 0)
            first = &b->map[i] - (float *)b->view.data;
    }
    free(owned);
    if (touched)
        complain("%s: %zu floats outside were overwritten, the first at offset %td", b->name,
                 touched, first);
    return touched == 0;
}

bool gb_check_guards(void) {
    bool intact = true;
    for (const struct buffer *b = buffers; b; b = b->next)
        intact = guards_intact(b) && intact;
    return intact;
}

void gb_check_free(void) {
    while (buffers) {
        struct buffer *b = buffers;
        buffers = b->next;
        munmap(b->map, b->map_floats * sizeof(float) + (size_t)sysconf(_SC_PAGESIZE));
        free(b);
    }
}

// Fills.

uint64_t gb_check_seed(void) {
    static uint64_t seed;
    if (!seed) {
        const char *text = getenv("GB_TEST_SEED");
        seed = text && *text ? strtoull(text, NULL, 0) : 1;
        printf("GB_TEST_SEED=%" PRIu64 "\n", seed);
    }
    return seed;
}

void gb_check_fill(const struct gb_tensor *t, enum gb_check_fill fill, uint32_t stream) {
    static const float odd_values[] = {0.0f,    -0.0f, 0x1p-149f, -0x1p-130f, 0x1p-126f, 1e-20f,
                                       -1e-20f, 1.0f,  -1.0f,     0.5f,       -88.0f,    1e10f,
                                       -1e10f,  1e18f, -1e18f,    100.0f};
    const struct gb_random_key key = {
        .seed = gb_check_seed(), .purpose = GB_RANDOM_TEST, .sample = stream};
    uint32_t index = 0, words[4];
    GB_EACH_ELEMENT(t, at) {
        float *element = gb_element(t, at);
        gb_philox(&key, index, words);
        if (fill == GB_CHECK_INTEGERS)
            *element = (float)(words[0] % 7) - 3;
        else if (fill == GB_CHECK_NORMAL || words[0] % 2)
            *element = gb_random_normal(&key, index);
        else
            *element = odd_values[words[1] % 16];
        index++;
    }
}

void gb_check_fill_floats(float *data, size_t count, enum gb_check_fill kind, uint32_t stream) {
    struct gb_tensor t = gb_dense(data, 1, 1, 1, (int)count);
    gb_check_fill(&t, kind, stream);
}

// Comparisons.

// "[n, y, x, c]".
static const char *place(const int at[4]) {
    static char text[80];
    snprintf(text, sizeof text, "[%d, %d, %d, %d]", at[0], at[1], at[2], at[3]);
    return text;
}

bool gb_check_same_bits(const char *what, const struct gb_tensor *want,
                        const struct gb_tensor *got) {
    if (!gb_same_shape(want, got)) {
        complain("%s: the shapes differ", what);
        return false;
    }
    size_t different = 0;
    int worst[4];
    double worst_distance = -1;
    GB_EACH_ELEMENT(want, at) {
        const float *a = gb_element(want, at), *b = gb_element(got, at);
        if (memcmp(a, b, sizeof *a) == 0)
            continue;
        double distance = fabs((double)*a - *b);
        if (isnan(distance))
            distance = INFINITY;
        different++;
        if (distance > worst_distance) {
            worst_distance = distance;
            memcpy(worst, at, sizeof worst);
        }
    }
    if (different)
        complain("%s: %zu of %zu elements differ in bits; worst at %s: want %a, got %a", what,
                 different, gb_elements(want), place(worst), *gb_element(want, worst),
                 *gb_element(got, worst));
    return different == 0;
}

bool gb_check_same_floats(const char *what, size_t count, const float *want, const float *got) {
    struct gb_tensor a = gb_dense((float *)(uintptr_t)want, 1, 1, 1, (int)count);
    struct gb_tensor b = gb_dense((float *)(uintptr_t)got, 1, 1, 1, (int)count);
    return gb_check_same_bits(what, &a, &b);
}

bool gb_check_near(const char *what, const struct gb_tensor *got, const double *want,
                   const double *bound) {
    size_t outside = 0, index = 0, worst_index = 0;
    int worst[4];
    double worst_ratio = 0;
    GB_EACH_ELEMENT(got, at) {
        const size_t i = index++;
        double error = fabs(*gb_element(got, at) - want[i]);
        if (error <= bound[i])
            continue;
        double ratio = isnan(error) ? INFINITY : error / bound[i];
        outside++;
        if (ratio > worst_ratio) {
            worst_ratio = ratio;
            worst_index = i;
            memcpy(worst, at, sizeof worst);
        }
    }
    if (outside)
        complain(
            "%s: %zu of %zu elements are out of bounds; worst at %s: want %.9g +- %.3g, got %.9g",
            what, outside, index, place(worst), want[worst_index], bound[worst_index],
            *gb_element(got, worst));
    return outside == 0;
}

bool gb_check_number(const char *what, double got, double want, double bound) {
    bool near = fabs(got - want) <= bound;
    if (!near)
        complain("%s: want %.17g +- %.3g, got %.17g", what, want, bound, got);
    return near;
}

// True if $GB_TEST_BACKENDS lists the name. Ends the program at a name that no backend has.
static bool is_listed(const char *name) {
    const char *list = getenv("GB_TEST_BACKENDS");
    bool listed = !list || !*list;
    while (list && *list) {
        const size_t length = strcspn(list, ",");
        bool known = false;
        for (const struct gb_backend *const *b = gb_backends(); *b; b++)
            known =
                known || (strlen((*b)->name) == length && strncmp((*b)->name, list, length) == 0);
        if (!known) {
            fprintf(stderr, "unknown backend '%.*s' in GB_TEST_BACKENDS\n", (int)length, list);
            exit(2);
        }
        listed = listed || (strlen(name) == length && strncmp(name, list, length) == 0);
        list += length + (list[length] == ',');
    }
    return listed;
}

bool gb_check_runs(const struct gb_backend *backend) {
    return is_listed(backend->name) && gb_backend_supported(backend);
}

// libxsmm generates code for every shape, which takes three times as long as another backend's
// test and ten minutes under AddressSanitizer, which sees nothing of that code: test_libxsmm covers
// ours. On a second native backend it still generates code for the best one.
static bool is_libxsmm(const struct gb_backend *backend) {
    return strncmp(backend->name, "libxsmm", strlen("libxsmm")) == 0;
}

bool gb_check_covers(const struct gb_backend *backend) {
#if defined(GB_PTHREADS)
    if (backend == gb_check_reference() || backend->fallback)
        return false;
#elif defined(__SANITIZE_ADDRESS__)
    if (is_libxsmm(backend))
        return false;
#endif
    return gb_check_runs(backend);
}

const struct gb_backend *const *gb_check_backends(void) {
    enum { MAX_BACKENDS = 32 };
    static const struct gb_backend *list[MAX_BACKENDS + 1];
    int count = 0;
    for (const struct gb_backend *const *b = gb_backends(); *b && count < MAX_BACKENDS; b++)
        list[count++] = *b;
    const struct gb_backend *best, *second;
    must(gb_backend_find(NULL, &best) == GB_OK ? &best : NULL);
    second = gb_backend_other(best);
    for (const struct gb_backend *const *b = gb_backend_pairs(); *b && count < MAX_BACKENDS; b++)
        if ((*b)->fallback == second && !is_libxsmm(*b))
            list[count++] = *b;
    list[count] = NULL;
    return list;
}

const struct gb_backend *gb_check_reference(void) {
    const struct gb_backend *reference = NULL;
    if (gb_backend_find("scalar", &reference) != GB_OK)
        must(NULL);
    return reference;
}
