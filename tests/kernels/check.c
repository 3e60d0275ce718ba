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

const struct gb_check_shape gb_check_shapes[GB_CHECK_SHAPES] = {
    {1, 1, 1, 1},  {2, 3, 5, 2},  {1, 4, 4, 6},  {3, 2, 7, 12},   {1, 5, 3, 16},   {2, 3, 4, 17},
    {1, 3, 3, 33}, {2, 2, 2, 96}, {1, 2, 3, 71}, {1, 1, 3, 1100}, {2, 33, 40, 13},
};

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

// Calls visit(argument, index, float) for each element in dense order.
static void for_each(const struct gb_tensor *t, void (*visit)(void *, size_t, float *),
                     void *argument) {
    size_t index = 0;
    for (int n = 0; n < t->n; n++)
        for (int y = 0; y < t->h; y++)
            for (int x = 0; x < t->w; x++)
                for (int c = 0; c < t->c; c++)
                    visit(argument, index++, gb_at(t, n, y, x) + c);
}

struct ownership {
    const float *map;
    unsigned char *owned;
};

static void mark_owned(void *argument, size_t index, float *element) {
    (void)index;
    struct ownership *ownership = argument;
    ownership->owned[element - ownership->map] = 1;
}

static bool guards_intact(const struct buffer *b) {
    struct ownership ownership = {b->map, must(calloc(b->map_floats, 1))};
    for_each(&b->view, mark_owned, &ownership);
    size_t touched = 0;
    ptrdiff_t first = 0;
    for (size_t i = 0; i < b->map_floats; i++) {
        if (ownership.owned[i] || memcmp(&b->map[i], &guard_bits, sizeof guard_bits) == 0)
            continue;
        if (touched++ == 0)
            first = &b->map[i] - (float *)b->view.data;
    }
    free(ownership.owned);
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

struct fill {
    enum gb_check_fill kind;
    struct gb_random_key key;
};

static void fill_element(void *argument, size_t index, float *element) {
    static const float odd_values[] = {0.0f,    -0.0f, 0x1p-149f, -0x1p-130f, 0x1p-126f, 1e-20f,
                                       -1e-20f, 1.0f,  -1.0f,     0.5f,       -88.0f,    1e10f,
                                       -1e10f,  1e18f, -1e18f,    100.0f};
    const struct fill *fill = argument;
    const uint32_t i = (uint32_t)index;
    uint32_t words[4];
    switch (fill->kind) {
    case GB_CHECK_INTEGERS:
        gb_philox(&fill->key, i, words);
        *element = (float)(words[0] % 7) - 3;
        break;
    case GB_CHECK_NORMAL:
        *element = gb_random_normal(&fill->key, i);
        break;
    case GB_CHECK_PATHOLOGICAL:
        gb_philox(&fill->key, i, words);
        *element = words[0] % 2 ? gb_random_normal(&fill->key, i) : odd_values[words[1] % 16];
        break;
    }
}

void gb_check_fill(const struct gb_tensor *t, enum gb_check_fill kind, uint32_t stream) {
    struct fill fill = {kind,
                        {.seed = gb_check_seed(), .purpose = GB_RANDOM_TEST, .sample = stream}};
    for_each(t, fill_element, &fill);
}

void gb_check_fill_floats(float *data, size_t count, enum gb_check_fill kind, uint32_t stream) {
    struct gb_tensor t = gb_dense(data, 1, 1, 1, (int)count);
    gb_check_fill(&t, kind, stream);
}

// Comparisons.

// Where an element of a dense order is, as "[n, y, x, c]".
static const char *place(const struct gb_tensor *t, size_t index) {
    static char text[80];
    const size_t c = (size_t)t->c, w = (size_t)t->w, h = (size_t)t->h;
    snprintf(text, sizeof text, "[%zu, %zu, %zu, %zu]", index / c / w / h, index / c / w % h,
             index / c % w, index % c);
    return text;
}

static float element_at(const struct gb_tensor *t, size_t index) {
    const size_t c = (size_t)t->c, w = (size_t)t->w, h = (size_t)t->h;
    return gb_at(t, (int)(index / c / w / h), (int)(index / c / w % h),
                 (int)(index / c % w))[index % c];
}

bool gb_check_same_bits(const char *what, const struct gb_tensor *want,
                        const struct gb_tensor *got) {
    if (!gb_same_shape(want, got)) {
        complain("%s: the shapes differ", what);
        return false;
    }
    size_t different = 0, worst = 0;
    double worst_distance = -1;
    for (size_t i = 0; i < gb_elements(want); i++) {
        float a = element_at(want, i), b = element_at(got, i);
        if (memcmp(&a, &b, sizeof a) == 0)
            continue;
        double distance = fabs((double)a - b);
        if (isnan(distance))
            distance = INFINITY;
        different++;
        if (distance > worst_distance) {
            worst_distance = distance;
            worst = i;
        }
    }
    if (different)
        complain("%s: %zu of %zu elements differ in bits; worst at %s: want %a, got %a", what,
                 different, gb_elements(want), place(want, worst), element_at(want, worst),
                 element_at(got, worst));
    return different == 0;
}

bool gb_check_same_floats(const char *what, size_t count, const float *want, const float *got) {
    struct gb_tensor a = gb_dense((float *)(uintptr_t)want, 1, 1, 1, (int)count);
    struct gb_tensor b = gb_dense((float *)(uintptr_t)got, 1, 1, 1, (int)count);
    return gb_check_same_bits(what, &a, &b);
}

bool gb_check_near(const char *what, const struct gb_tensor *got, const double *want,
                   const double *bound) {
    size_t outside = 0, worst = 0;
    double worst_ratio = 0;
    for (size_t i = 0; i < gb_elements(got); i++) {
        double error = fabs(element_at(got, i) - want[i]);
        if (error <= bound[i])
            continue;
        double ratio = isnan(error) ? INFINITY : error / bound[i];
        outside++;
        if (ratio > worst_ratio) {
            worst_ratio = ratio;
            worst = i;
        }
    }
    if (outside)
        complain(
            "%s: %zu of %zu elements are out of bounds; worst at %s: want %.9g +- %.3g, got %.9g",
            what, outside, gb_elements(got), place(got, worst), want[worst], bound[worst],
            element_at(got, worst));
    return outside == 0;
}

bool gb_check_number(const char *what, double got, double want, double bound) {
    bool near = fabs(got - want) <= bound;
    if (!near)
        complain("%s: want %.17g +- %.3g, got %.17g", what, want, bound, got);
    return near;
}

bool gb_check_covers(const struct gb_backend *backend) {
#if defined(GB_PTHREADS)
    if (backend == gb_check_reference())
        return false;
#endif
    return gb_backend_supported(backend);
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
        if ((*b)->fallback == second)
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
