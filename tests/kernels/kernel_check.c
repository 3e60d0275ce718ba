// SPDX-License-Identifier: MIT
// The check of kernels in check.h.
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/bf16/units.h"
#include "kernels/verify.h"
#include "tests/kernels/check.h"

enum { SUM_START = 3 }; // sums are added to what is there

// How a call is made.
struct variant {
    enum gb_numbers numbers;
    enum gb_check_layout layout;
    int threads;
    int in_place; // the choice of in_place_of; -1: not in place
    bool without_optional;
};

// What it leaves: the outputs, each in dense order.
struct results {
    size_t bytes[GB_MAX_OPERANDS];
    void *data[GB_MAX_OPERANDS];
};

struct subject {
    const struct gb_backend *backend;
    const struct gb_operation *operation;
    enum gb_direction direction;
    const void *problem;
};

static const struct gb_kernel *kernel_of(const struct subject *s) {
    return &s->operation->kernels[s->direction];
}

__attribute__((noreturn)) static void give_up(void) {
    fprintf(stderr, "%s\n", gb_error_message());
    exit(2);
}

static bool complain(const struct gb_call *call, const struct variant *v, const char *what) {
    char text[GB_CALL_TEXT];
    gb_call_print(call, text);
    if (!gb_check_quiet)
        fprintf(stderr, "%s on %s: numbers %d, layout %d, %d threads, in place %d, %s: %s\n", text,
                call->backend->name, v->numbers, v->layout, v->threads, v->in_place,
                v->without_optional ? "without optional operands" : "with all operands", what);
    return false;
}

// ---- Memory ----

// Of bf16, in the memory of floats: a slice has an even number of channels to a pixel.
static struct gb_tensor new_bf16(const struct gb_tensor *t, const char *name,
                                 enum gb_check_layout layout) {
    if (layout != GB_CHECK_SLICE) {
        const size_t floats = (gb_elements(t) + 1) / 2;
        return gb_dense_of(GB_BF16, gb_check_floats(name, floats, layout), t->n, t->h, t->w, t->c);
    }
    struct gb_tensor view = gb_check_view(name, t->n, t->h, t->w, (t->c + 1) / 2, layout);
    view.type = GB_BF16;
    view.c = t->c;
    view.image *= 2;
    view.row *= 2;
    view.pixel *= 2;
    return view;
}

static struct gb_tensor new_operand(const struct gb_call *call, int i,
                                    enum gb_check_layout layout) {
    const struct gb_operand *o = &gb_kernel_of(call)->operands[i];
    struct gb_tensor t = call->operand[i];
    enum gb_check_layout flush = layout == GB_CHECK_DENSE ? GB_CHECK_DENSE : GB_CHECK_FLUSH;
    if (t.type == GB_F64) {
        t.data = gb_check_doubles(o->name, gb_elements(&t));
    } else if (t.type == GB_BF16) {
        t = new_bf16(&t, o->name, layout);
    } else if (o->layout == GB_VIEW) {
        t = gb_check_view(o->name, t.n, t.h, t.w, t.c, layout);
    } else if (o->layout == GB_IMAGES) {
        struct gb_tensor images = gb_check_view(o->name, t.n, 1, 1, t.h * t.w * t.c, layout);
        t.data = images.data;
        t.image = images.image;
    } else {
        t.data = gb_check_floats(o->name, gb_operand_floats(call, i),
                                 o->layout == GB_PACKED ? GB_CHECK_DENSE : flush);
    }
    return t;
}

static void allocate(struct gb_call *call, const struct variant *v, struct gb_exec *exec) {
    const struct gb_kernel *kernel = gb_kernel_of(call);
    gb_call_size(call);
    for (int i = 0; kernel->operands[i].name; i++) {
        if (gb_elements(&call->operand[i]) == 0 ||
            (v->without_optional && kernel->operands[i].optional))
            continue;
        int input = v->in_place < 0 ? -1 : gb_in_place_of(call, i, v->in_place);
        call->operand[i] = input >= 0 ? call->operand[input] : new_operand(call, i, v->layout);
    }
    *exec = gb_check_exec(v->threads, kernel->scratch ? kernel->scratch(call) : 0);
}

// ---- Results ----

static void keep_results(const struct gb_call *call, struct results *results) {
    *results = (struct results){0};
    for (int i = 0; gb_kernel_of(call)->operands[i].name; i++) {
        const struct gb_operand *o = &gb_kernel_of(call)->operands[i];
        const struct gb_tensor *t = &call->operand[i];
        if (!t->data || o->role == GB_IN)
            continue;
        results->bytes[i] =
            (t->type == GB_BF16 ? gb_elements(t) : gb_operand_floats(call, i)) * sizeof(float);
        float *to = results->data[i] = malloc(results->bytes[i]);
        if (!to)
            exit(2);
        if ((o->layout != GB_VIEW && o->layout != GB_IMAGES) || o->role == GB_SUM) {
            memcpy(to, t->data, results->bytes[i]);
            continue;
        }
        GB_EACH_ELEMENT(t, at)
            *to++ = gb_get(t, at[0], at[1], at[2], at[3]);
    }
}

static void drop_results(struct results *results) {
    for (int i = 0; i < GB_MAX_OPERANDS; i++)
        free(results->data[i]);
    *results = (struct results){0};
}

// The name of an operand that differs in bits; NULL: none.
static const char *find_difference(const struct gb_kernel *kernel, const struct results *a,
                                   const struct results *b, bool sums) {
    for (int i = 0; kernel->operands[i].name; i++)
        if ((sums || kernel->operands[i].role != GB_SUM) &&
            (a->bytes[i] != b->bytes[i] ||
             (a->bytes[i] && memcmp(a->data[i], b->data[i], a->bytes[i]) != 0)))
            return kernel->operands[i].name;
    return NULL;
}

// ---- One call ----

// Of all inputs whose memory no output takes over.
static uint64_t hash_inputs(const struct gb_call *call) {
    const struct gb_operand *operands = gb_kernel_of(call)->operands;
    uint64_t hash = 0xcbf29ce484222325u;
    for (int i = 0; operands[i].name; i++) {
        const struct gb_tensor *t = &call->operand[i];
        bool kept = t->data && operands[i].role == GB_IN;
        for (int o = 0; operands[o].name; o++)
            kept = kept && (o == i || call->operand[o].data != t->data);
        if (!kept)
            continue;
        GB_EACH_ELEMENT(t, at) {
            const float value = gb_get(t, at[0], at[1], at[2], at[3]);
            uint32_t bits;
            memcpy(&bits, &value, sizeof bits);
            hash = (hash ^ bits) * 0x100000001b3u;
        }
    }
    return hash;
}

// A packed gradient's padding is zero: packing what was unpacked gives it back.
static bool packs_back(const struct gb_call *call) {
    const struct gb_operand *operands = gb_kernel_of(call)->operands;
    bool same = true;
    for (int i = 0; operands[i].name; i++) {
        if (operands[i].layout != GB_PACKED || operands[i].role != GB_OUT)
            continue;
        struct gb_dims d = operands[i].dims(call);
        size_t floats = gb_operand_floats(call, i);
        float *weights = gb_check_floats(
            "unpacked", (size_t)d.n * (size_t)d.h * (size_t)d.w * (size_t)d.c, GB_CHECK_FLUSH);
        float *packed = gb_check_floats("packed again", floats, GB_CHECK_DENSE);
        call->operation->unpack(call, gb_floats(call, i), weights);
        call->operation->pack(call, weights, packed);
        for (size_t f = 0; f < floats; f++)
            same = same && packed[f] == gb_floats(call, i)[f];
    }
    return same;
}

static struct gb_adam adam_for_tests(void) {
    const struct gb_adam adam = {
        .learning_rate = 1e-3f, .beta1 = 0.9f, .beta2 = 0.999f, .epsilon = 1e-8f, .clip = 1.5f};
    return gb_adam_at_step(adam, 3);
}

// Makes the call and keeps its results; compares them with the definition if `define`.
static bool run(const struct subject *s, const struct variant *v, bool define,
                struct results *results) {
    const struct gb_adam adam = adam_for_tests();
    struct gb_exec exec = {.threads = v->threads};
    struct gb_call call = {.backend = s->backend,
                           .exec = &exec,
                           .operation = s->operation,
                           .direction = s->direction,
                           .problem = s->problem,
                           .adam = &adam,
                           .numbers = v->numbers,
                           .seed = gb_check_seed(),
                           .sum_start = SUM_START};
    if (s->operation->plan) {
        call.plan = calloc(1, s->operation->plan_bytes);
        if (!call.plan || s->operation->plan(&call, GB_CHECK_MAX_THREADS) != GB_OK)
            give_up();
    }
    allocate(&call, v, &exec);
    if (gb_call_fill(&call) != GB_OK)
        give_up();
    uint64_t hash = hash_inputs(&call);
    kernel_of(s)->call(&call);
    bool right = hash == hash_inputs(&call) || complain(&call, v, "an input was changed");
    right = (packs_back(&call) || complain(&call, v, "padding of a gradient is not zero")) && right;
    right = (gb_check_guards() || complain(&call, v, "written outside")) && right;
    keep_results(&call, results);
    if (define && gb_call_check(&call, 1, INFINITY) != GB_OK)
        right = complain(&call, v, gb_error_message());
    if (s->operation->plan)
        s->operation->plan_free(&call);
    free(call.plan);
    gb_check_free();
    return right;
}

// ---- All variants ----

static bool has_choice(const struct gb_kernel *kernel, int choice) {
    for (int i = 0; kernel->operands[i].name; i++)
        if (kernel->operands[i].in_place_of[choice])
            return true;
    return false;
}

static bool has_optional(const struct gb_kernel *kernel) {
    for (int i = 0; kernel->operands[i].name; i++)
        if (kernel->operands[i].optional)
            return true;
    return false;
}

static bool same_bits(const struct subject *s, const struct variant *v, const struct results *a,
                      const struct results *b, bool sums, const char *what) {
    const char *name = find_difference(kernel_of(s), a, b, sums);
    const struct gb_call call = {.backend = s->backend,
                                 .operation = s->operation,
                                 .direction = s->direction,
                                 .problem = s->problem};
    char message[128];
    snprintf(message, sizeof message, "%s: not bitwise %s", name ? name : "", what);
    return !name || complain(&call, v, message);
}

static bool matches_reference(const struct subject *s, const struct variant *v,
                              const struct results *got) {
    struct subject reference = *s;
    struct results want;
    reference.backend = gb_check_reference();
    bool right = run(&reference, v, false, &want);
    right = same_bits(s, v, &want, got, false, "the scalar reference's") && right;
    drop_results(&want);
    return right;
}

// One set of operands in one layout: on one thread against the definition and the reference, then
// on several and in place.
static bool check_layout(const struct subject *s, struct variant v) {
    const struct gb_kernel *kernel = kernel_of(s);
    // Of what the backend computes itself; a fallback's kernels are native.
    const bool deterministic =
        s->backend->same_bits || gb_backend_falls_back(s->backend, kernel->entry);
    struct results first, results;
    v.threads = 1;
    v.in_place = -1;
    bool right = run(s, &v, true, &first);
    if (kernel->reference_bits && deterministic && s->backend != gb_check_reference())
        right = matches_reference(s, &v, &first) && right;
    for (v.in_place = -1; v.in_place < 2; v.in_place++) {
        if (v.in_place >= 0 && !has_choice(kernel, v.in_place))
            continue;
        for (v.threads = v.in_place < 0 ? 2 : 1; v.threads <= GB_CHECK_MAX_THREADS; v.threads++) {
            right = run(s, &v, !deterministic, &results) && right;
            if (deterministic)
                right = same_bits(s, &v, &first, &results, true,
                                  "what one thread makes, not in place") &&
                        right;
            drop_results(&results);
        }
    }
    drop_results(&first);
    return right;
}

// Products are expensive to check: each kind of numbers in one layout.
static bool is_skipped(const struct gb_operation *operation, const struct variant *v) {
    enum gb_check_layout only = v->numbers == GB_NUMBERS_INTEGERS ? GB_CHECK_FLUSH : GB_CHECK_SLICE;
    return operation->product && v->layout != only;
}

bool gb_check_kernel(const struct gb_backend *backend, const struct gb_operation *operation,
                     enum gb_direction direction, const char *text) {
    _Alignas(max_align_t) char problem[128];
    if (operation->problem_bytes > sizeof problem ||
        gb_problem_parse(operation, text, problem) != GB_OK)
        give_up();
    const struct subject s = {backend, operation, direction, problem};
    const struct gb_kernel *kernel = kernel_of(&s);
    bool right = true;
    for (int n = GB_NUMBERS_WIDE; n <= GB_NUMBERS_EXTREME; n++) {
        if ((n == GB_NUMBERS_INTEGERS && !kernel->integers) ||
            (n == GB_NUMBERS_EXTREME && !kernel->extremes))
            continue;
        for (int layout = 0; layout < GB_CHECK_LAYOUTS; layout++)
            for (int without = 0; without <= has_optional(kernel); without++) {
                const struct variant v = {.numbers = (enum gb_numbers)n,
                                          .layout = (enum gb_check_layout)layout,
                                          .without_optional = without};
                if (!is_skipped(operation, &v))
                    right = check_layout(&s, v) && right;
            }
    }
    return right;
}

// The unit that runs the problem on a backend; NULL: the backend's own kernels do.
static const struct gb_bf16_unit *unit_of(const struct gb_backend *backend,
                                          const struct gb_operation *operation, const char *text) {
    _Alignas(max_align_t) char problem[128], plan[512];
    const struct gb_call call = {
        .backend = backend, .operation = operation, .problem = problem, .plan = plan};
    const struct gb_bf16_unit *unit = NULL;
    if (operation != &gb_conv_operation && operation != &gb_fc_operation)
        return NULL;
    assert(operation->plan_bytes <= sizeof plan);
    if (gb_problem_parse(operation, text, problem) != GB_OK ||
        operation->plan(&call, GB_CHECK_MAX_THREADS) != GB_OK)
        give_up();
    unit = operation == &gb_conv_operation ? ((struct gb_conv_plan *)plan)->unit
                                           : ((struct gb_fc_plan *)plan)->unit;
    operation->plan_free(&call);
    return unit;
}

bool gb_check_problem(const struct gb_operation *operation, const char *text) {
    enum { MAX_UNITS = 8 };
    const struct gb_bf16_unit *checked[MAX_UNITS] = {0}; // one backend is enough for each
    bool right = true;
    GB_CHECK_EACH_BACKEND(backend) {
        const struct gb_bf16_unit *unit = unit_of(backend, operation, text);
        int seen = 0;
        while (unit && seen < MAX_UNITS - 1 && checked[seen] && checked[seen] != unit)
            seen++;
        if (unit && checked[seen] == unit)
            continue;
        checked[seen] = unit;
        for (int d = 0; d < GB_DIRECTIONS; d++)
            // What falls back is the fallback's own function, checked with that backend.
            if (operation->kernels[d].call &&
                !gb_backend_falls_back(backend, operation->kernels[d].entry))
                right = gb_check_kernel(backend, operation, (enum gb_direction)d, text) && right;
    }
    return right;
}

bool gb_check_shared_rows(const struct gb_operation *operation, const char *text,
                          bool (*check)(const struct gb_operation *, const char *)) {
    struct gb_operand operands[GB_DIRECTIONS][GB_MAX_OPERANDS + 1];
    struct gb_operation shared = *operation;
    for (int d = 0; d < GB_DIRECTIONS; d++) {
        const struct gb_operand *own = operation->kernels[d].operands;
        for (int i = 0; own && (i == 0 || own[i - 1].name); i++) {
            operands[d][i] = own[i];
            if (own[i].dims == gb_dims_rows)
                operands[d][i].dims = gb_dims_channels;
        }
        shared.kernels[d].operands = own ? operands[d] : NULL;
    }
    return check(&shared, text);
}

// ---- Gradients ----

static int find(const struct gb_operand *operands, const char *prefix, const char *name) {
    for (int i = 0; operands[i].name; i++)
        if (strncmp(operands[i].name, prefix, strlen(prefix)) == 0 &&
            strcmp(operands[i].name + strlen(prefix), name) == 0)
            return i;
    return -1;
}

// The operand that holds the gradient of `name`; -1: none.
static int find_gradient(const struct gb_operand *operands, const char *name) {
    int i = find(operands, "d_", name);
    return i >= 0 ? i : find(operands, "d", name);
}

struct gradients {
    struct gb_call forward, backward;
    const struct gb_operand *in, *back; // their operands
};

static double define(const struct gb_call *call, int operand, const int at[4]) {
    return gb_kernel_of(call)->definition(call, operand, at).value;
}

// The sum over the forward outputs of gradient times value.
static double loss(const struct gradients *g) {
    double sum = 0;
    for (int o = 0; g->in[o].name; o++) {
        int d = find_gradient(g->back, g->in[o].name);
        const struct gb_tensor *view = &g->forward.operand[o];
        if (g->in[o].role == GB_IN || d < 0 || gb_elements(view) == 0)
            continue;
        GB_EACH_ELEMENT(view, at)
            sum += gb_value(&g->backward, d, at) * define(&g->forward, o, at);
    }
    return sum;
}

static double quotient(const struct gradients *g, float *at) {
    const float value = *at, high = value + 0x1p-9f, low = value - 0x1p-9f;
    *at = high;
    double above = loss(g);
    *at = low;
    double below = loss(g);
    *at = value;
    return (above - below) / ((double)high - low);
}

static void share_operands(struct gradients *g) {
    for (int i = 0; g->back[i].name; i++)
        if (gb_elements(&g->backward.operand[i]) > 0 && !g->back[i].optional)
            g->backward.operand[i].data = gb_check_floats(
                g->back[i].name, gb_operand_floats(&g->backward, i), GB_CHECK_DENSE);
    for (int i = 0; g->in[i].name; i++) {
        int same = find(g->back, "", g->in[i].name);
        if (g->in[i].role == GB_IN && same >= 0)
            g->forward.operand[i] = g->backward.operand[same];
        else if (g->in[i].role == GB_IN && gb_elements(&g->forward.operand[i]) > 0)
            g->forward.operand[i].data =
                gb_check_floats(g->in[i].name, gb_operand_floats(&g->forward, i), GB_CHECK_DENSE);
    }
    if (gb_call_fill(&g->forward) != GB_OK || gb_call_fill(&g->backward) != GB_OK)
        give_up();
    // What backward reads of the forward outputs.
    for (int o = 0; g->in[o].name; o++) {
        int same = find(g->back, "", g->in[o].name);
        if (g->in[o].role != GB_OUT || same < 0)
            continue;
        const struct gb_tensor *view = &g->backward.operand[same];
        GB_EACH_ELEMENT(view, at)
            *gb_element(view, at) = (float)define(&g->forward, o, at);
    }
}

static bool check_gradient(const struct gradients *g, int gradient, int input) {
    const struct gb_tensor *view = &g->forward.operand[input];
    bool right = true;
    GB_EACH_ELEMENT(view, at) {
        double want = quotient(g, gb_element(view, at));
        right = gb_check_number(g->back[gradient].name, define(&g->backward, gradient, at), want,
                                1e-5 * (1 + fabs(want))) &&
                right;
    }
    return right;
}

bool gb_check_gradients(const struct gb_operation *operation, const char *text) {
    _Alignas(max_align_t) char problem[128];
    if (gb_problem_parse(operation, text, problem) != GB_OK)
        give_up();
    const struct gb_call call = {.backend = gb_check_reference(),
                                 .operation = operation,
                                 .problem = problem,
                                 .numbers = GB_NUMBERS_WIDE,
                                 .seed = gb_check_seed()};
    struct gradients g = {call, call, operation->kernels[GB_FORWARD].operands,
                          operation->kernels[GB_BACKWARD].operands};
    g.backward.direction = GB_BACKWARD;
    gb_call_size(&g.forward);
    gb_call_size(&g.backward);
    share_operands(&g);
    bool right = true;
    int checked = 0;
    for (int i = 0; g.in[i].name; i++) {
        int gradient = find_gradient(g.back, g.in[i].name);
        if (g.in[i].role != GB_IN || gradient < 0 || gb_elements(&g.forward.operand[i]) == 0)
            continue;
        right = check_gradient(&g, gradient, i) && right;
        checked++;
    }
    gb_check_free();
    if (!right || !checked)
        fprintf(stderr, "%s %s: %d gradients\n", operation->name, text, checked);
    return right && checked > 0;
}
