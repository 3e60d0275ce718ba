// SPDX-License-Identifier: MIT
#include "kernels/verify.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/minmax.h"
#include "kernels/backend.h"

// ---- Operands ----

static const struct gb_operand *operand_of(const struct gb_call *call, int operand) {
    return &gb_kernel_of(call)->operands[operand];
}

static struct gb_tensor view_of(float *data, struct gb_dims dims) {
    return gb_dense(data, dims.n, dims.h, dims.w, dims.c);
}

static enum gb_type type_of(const struct gb_call *call, int operand) {
    const struct gb_operand *description = operand_of(call, operand);
    if (description->role == GB_SUM)
        return GB_F64;
    return description->type ? description->type(call) : GB_F32;
}

bool gb_operand_is_split(const struct gb_call *call, int operand) {
    return operand_of(call, operand)->layout == GB_PACKED && type_of(call, operand) == GB_BF16;
}

static size_t elements_of(struct gb_dims dims) {
    struct gb_tensor view = view_of(NULL, dims);
    return gb_elements(&view);
}

void gb_call_size(struct gb_call *call) {
    for (int i = 0; operand_of(call, i)->name; i++) {
        assert(i < GB_MAX_OPERANDS);
        struct gb_dims dims = operand_of(call, i)->dims(call);
        if (operand_of(call, i)->layout == GB_PACKED && dims.c > 0)
            dims = (struct gb_dims){1, 1, 1, (int)call->operation->packed_floats(call)};
        call->operand[i] = view_of(NULL, dims);
        if (!gb_operand_is_split(call, i))
            call->operand[i].type = type_of(call, i);
    }
}

size_t gb_operand_floats(const struct gb_call *call, int operand) {
    size_t elements = gb_elements(&call->operand[operand]);
    if (call->operand[operand].type == GB_F64)
        return elements * (sizeof(double) / sizeof(float));
    if (call->operand[operand].type == GB_BF16)
        return (elements + 1) / 2;
    return operand_of(call, operand)->layout == GB_CHANNELS ? gb_round_up(elements, GB_CHANNEL_PAD)
                                                            : elements;
}

static int find_operand(const struct gb_kernel *kernel, const char *name) {
    for (int i = 0; kernel->operands[i].name; i++)
        if (strcmp(kernel->operands[i].name, name) == 0)
            return i;
    return -1;
}

int gb_in_place_of(const struct gb_call *call, int operand, int choice) {
    const char *name = operand_of(call, operand)->in_place_of[choice];
    int input = name ? find_operand(gb_kernel_of(call), name) : -1;
    assert(!name || input >= 0);
    if (input >= 0 && (gb_elements(&call->operand[input]) == 0 ||
                       call->operand[input].type != call->operand[operand].type))
        input = -1;
    return input;
}

// ---- Numbers ----

enum { WEIGHTS_STREAM = 100, MASK_STREAM }; // operands have the first ones

static float extreme(const struct gb_random_key *key, uint32_t element) {
    static const float values[] = {0.0f,    -0.0f, 0x1p-149f, -0x1p-130f, 0x1p-126f, 1e-20f,
                                   -1e-20f, 1.0f,  -1.0f,     0.5f,       -88.0f,    1e10f,
                                   -1e10f,  1e18f, -1e18f,    100.0f};
    uint32_t words[4];
    gb_philox(key, element, words);
    return words[0] % 2 ? gb_random_normal(key, element) : values[words[1] % 16];
}

static bool is_uniform(const struct gb_call *call, enum gb_fill fill) {
    return fill == GB_FILL_UNIFORM || fill == GB_FILL_MASK ||
           (call->numbers == GB_NUMBERS_INTEGERS && fill != GB_FILL_SCALE);
}

static float number(const struct gb_call *call, enum gb_fill fill, float random,
                    const struct gb_random_key *key, uint32_t element) {
    if (fill == GB_FILL_UNIFORM)
        return random;
    if (fill == GB_FILL_MASK)
        return random >= 0.5f;
    if (call->numbers == GB_NUMBERS_INTEGERS) {
        if (fill == GB_FILL_SCALE)
            return element % 3 == 0 ? 0.5f : element % 3 == 1 ? 1 : 2;
        float integer = floorf(random * 7) - 3;
        return fill == GB_FILL_POSITIVE ? fabsf(integer) : integer;
    }
    if (fill == GB_FILL_SCALE)
        return 0.75f + fabsf(random);
    if (call->numbers == GB_NUMBERS_EXTREME)
        random = extreme(key, element);
    return fill == GB_FILL_POSITIVE ? fabsf(random) : random;
}

// A run of floats, elements first, first + 1, ... of the stream.
static void fill_run(const struct gb_call *call, enum gb_fill fill, float deviation,
                     const struct gb_random_key *key, size_t first, size_t count, float *floats) {
    const struct gb_exec one = {.threads = 1};
    if (is_uniform(call, fill))
        call->backend->random_uniform(&one, key, (uint32_t)first, count, 0, 1, floats);
    else
        call->backend->random_normal(&one, key, (uint32_t)first, count, deviation, floats);
    bool plain = call->numbers == GB_NUMBERS_TIMED || call->numbers == GB_NUMBERS_WIDE;
    if (plain && (fill == GB_FILL_NORMAL || fill == GB_FILL_SMALL || fill == GB_FILL_LOGITS ||
                  fill == GB_FILL_UNIFORM || fill == GB_FILL_WEIGHTS))
        return;
    for (size_t i = 0; i < count; i++)
        floats[i] = number(call, fill, floats[i], key, (uint32_t)(first + i));
}

// The same numbers, rounded.
static void fill_bf16(const struct gb_call *call, enum gb_fill fill, float deviation,
                      const struct gb_random_key *key, size_t first, size_t count, gb_bf16 *to) {
    float floats[64];
    for (size_t i = 0; i < count; i += sizeof floats / sizeof *floats) {
        size_t run = gb_min_size(count - i, sizeof floats / sizeof *floats);
        fill_run(call, fill, deviation, key, first + i, run, floats);
        for (size_t k = 0; k < run; k++)
            to[i + k] = gb_bf16_round(floats[k]);
    }
}

static void fill_view(const struct gb_call *call, enum gb_fill fill, uint32_t stream,
                      const struct gb_tensor *t) {
    const struct gb_random_key key = {.seed = call->seed,
                                      .purpose = GB_RANDOM_TEST,
                                      .sample = fill == GB_FILL_MASK      ? MASK_STREAM
                                                : fill == GB_FILL_WEIGHTS ? WEIGHTS_STREAM
                                                                          : stream};
    float deviation = 1;
    if (fill == GB_FILL_SMALL && call->numbers == GB_NUMBERS_TIMED)
        deviation = 0.25f;
    if (fill == GB_FILL_LOGITS && call->numbers != GB_NUMBERS_TIMED)
        deviation = 8;
    if (fill == GB_FILL_WEIGHTS)
        deviation = 1 / sqrtf((float)t->h * (float)t->w * (float)t->c);
    if (t->type == GB_F32 && gb_is_matrix(t) && t->pixel == t->c) {
        fill_run(call, fill, deviation, &key, 0, gb_elements(t), t->data);
        return;
    }
    size_t first = 0;
    for (int n = 0; n < t->n; n++)
        for (int y = 0; y < t->h; y++)
            for (int x = 0; x < t->w; x++, first += (size_t)t->c) {
                if (t->type == GB_F32)
                    fill_run(call, fill, deviation, &key, first, (size_t)t->c, gb_at(t, n, y, x));
                else
                    fill_bf16(call, fill, deviation, &key, first, (size_t)t->c,
                              gb_bf16_at(t, n, y, x));
            }
}

static enum gb_status new_floats(size_t count, float **floats) {
    *floats = malloc(gb_round_up(count * sizeof **floats, GB_ALIGNMENT));
    return *floats ? GB_OK : gb_no_memory("cannot check", "numbers to compare with");
}

// Packed weights in PyTorch's order, as the call's fill has them; the caller frees them.
static enum gb_status make_weights(const struct gb_call *call, int operand, float **weights) {
    struct gb_dims dims = operand_of(call, operand)->dims(call);
    GB_TRY(new_floats(elements_of(dims), weights));
    struct gb_tensor view = view_of(*weights, dims);
    fill_view(call, operand_of(call, operand)->fill, (uint32_t)operand, &view);
    return GB_OK;
}

// Into the plan's layout, and into halves where that is what the problem takes.
static enum gb_status pack_weights(const struct gb_call *call, int operand, const float *weights,
                                   const struct gb_tensor *view) {
    if (!gb_operand_is_split(call, operand)) {
        call->operation->pack(call, weights, view->data);
        return GB_OK;
    }
    float *packed;
    GB_TRY(new_floats(gb_elements(view), &packed));
    call->operation->pack(call, weights, packed);
    gb_bf16_split_array(gb_elements(view), packed, view->data);
    free(packed);
    return GB_OK;
}

// The operand's numbers, in a view of its own.
static enum gb_status fill_operand(const struct gb_call *call, int operand,
                                   const struct gb_tensor *view) {
    const struct gb_operand *description = operand_of(call, operand);
    if (description->layout == GB_PACKED && description->fill == GB_FILL_WEIGHTS) {
        float *weights;
        GB_TRY(make_weights(call, operand, &weights));
        enum gb_status status = pack_weights(call, operand, weights, view);
        free(weights);
        return status;
    }
    fill_view(call, description->fill, (uint32_t)operand, view);
    size_t used = gb_elements(view), padded = gb_operand_floats(call, operand);
    if (description->layout == GB_CHANNELS)
        memset((float *)view->data + used, 0, (padded - used) * sizeof(float));
    return GB_OK;
}

enum gb_status gb_call_fill(const struct gb_call *call) {
    for (int i = 0; operand_of(call, i)->name; i++) {
        const struct gb_tensor *view = &call->operand[i];
        enum gb_role role = operand_of(call, i)->role;
        if (!view->data)
            continue;
        if (role == GB_IN || role == GB_IN_OUT)
            GB_TRY(fill_operand(call, i, view));
        for (int n = 0; role == GB_SUM && n < view->c; n++)
            gb_doubles(call, i)[n] = call->sum_start;
    }
    if (gb_kernel_of(call)->prepare)
        gb_kernel_of(call)->prepare(call);
    return GB_OK;
}

// ---- Checks ----

void gb_call_print(const struct gb_call *call, char text[static GB_CALL_TEXT]) {
    char problem[GB_PROBLEM_TEXT];
    gb_problem_print(call->operation, call->problem, problem);
    snprintf(text, GB_CALL_TEXT, "%s/%s/%s", call->operation->name,
             gb_direction_name(call->direction), problem);
}

enum gb_status gb_call_differs(const struct gb_call *call, const char *operand, const int at[4],
                               double got, double want, double bound) {
    char text[GB_CALL_TEXT];
    gb_call_print(call, text);
    return gb_fail(GB_CHECK_FAILED, "wrong result", text,
                   "%s on %s, %d threads, at [%d, %d, %d, %d]: %.9g, not %.9g +- %.3g", operand,
                   call->backend->name, call->exec->threads, at[0], at[1], at[2], at[3], got, want,
                   bound);
}

static void place_of(const struct gb_tensor *t, size_t element, int at[4]) {
    size_t c = (size_t)t->c, w = (size_t)t->w, h = (size_t)t->h;
    at[0] = (int)(element / c / w / h);
    at[1] = (int)(element / c / w % h);
    at[2] = (int)(element / c % w);
    at[3] = (int)(element % c);
}

// The call as its definition sees it: what the run overwrote stands again as it was before, and
// packed weights are unpacked.
struct before {
    struct gb_call call;
    float *owned[2 * GB_MAX_OPERANDS];
    int count;
};

static void before_free(struct before *before) {
    while (before->count)
        free(before->owned[--before->count]);
}

// True for an input whose memory an output took over, or that is itself an output.
static bool is_overwritten(const struct gb_call *call, int input) {
    if (operand_of(call, input)->role == GB_IN_OUT)
        return true;
    for (int i = 0; operand_of(call, i)->name; i++)
        if (operand_of(call, i)->role == GB_OUT &&
            call->operand[i].data == call->operand[input].data)
            return true;
    return false;
}

static enum gb_status restore_operand(const struct gb_call *call, int i, struct before *before) {
    const struct gb_operand *description = operand_of(call, i);
    const struct gb_tensor *view = &call->operand[i];
    float **owned = &before->owned[before->count];
    if (description->layout == GB_PACKED) {
        if (description->role == GB_OUT) {
            GB_TRY(new_floats(elements_of(description->dims(call)), owned));
            call->operation->unpack(call, view->data, *owned);
        } else if (description->fill == GB_FILL_WEIGHTS) {
            GB_TRY(make_weights(call, i, owned));
        } else {
            return GB_OK;
        }
        before->call.unpacked[i] = *owned;
        before->count++;
    } else if ((description->role == GB_IN || description->role == GB_IN_OUT) &&
               is_overwritten(call, i)) {
        GB_TRY(new_floats(gb_operand_floats(call, i), owned));
        before->count++;
        before->call.operand[i] =
            gb_dense_of(view->type, *owned, view->n, view->h, view->w, view->c);
        GB_TRY(fill_operand(call, i, &before->call.operand[i]));
    }
    return GB_OK;
}

static enum gb_status before_open(const struct gb_call *call, struct before *before) {
    *before = (struct before){.call = *call};
    for (int i = 0; operand_of(call, i)->name; i++) {
        enum gb_status status = call->operand[i].data ? restore_operand(call, i, before) : GB_OK;
        if (status != GB_OK) {
            before_free(before);
            return status;
        }
    }
    if (gb_kernel_of(call)->prepare)
        gb_kernel_of(call)->prepare(&before->call);
    return GB_OK;
}

// Compares `view`, an output's results, with its definition.
static enum gb_status check_output(const struct gb_call *call, const struct before *before,
                                   int operand, const struct gb_tensor *view, double slack,
                                   double budget) {
    enum { MIN_SAMPLE = 64 };
    const struct gb_kernel *kernel = gb_kernel_of(call);
    const bool sum = kernel->operands[operand].role == GB_SUM;
    const struct gb_random_key key = {.seed = 1, .purpose = GB_RANDOM_TEST};
    size_t all = gb_elements(view), count = 1;
    struct {
        int at[4];
        double ratio, got, want, bound;
    } worst = {.ratio = 1};
    // Backwards, since the last element, which is always checked, says what one takes.
    for (size_t s = 0; s < count; s++) {
        size_t end = (count - s) * all / count, begin = (count - s - 1) * all / count;
        size_t element = end - 1;
        if (s > 0 && count < all)
            element =
                begin + (size_t)(gb_random_uniform(&key, (uint32_t)s) * (float)(end - 1 - begin));
        int at[4];
        place_of(view, element, at);
        struct gb_expected want = kernel->definition(&before->call, operand, at);
        double got = view->type == GB_F64 ? ((double *)view->data)[element]
                                          : (double)gb_get(view, at[0], at[1], at[2], at[3]);
        if (sum)
            got -= call->sum_start;
        double error = fabs(got - want.value), bound = slack * want.bound;
        if (!(error <= bound)) {
            double ratio = bound > 0 && !isnan(error) ? error / bound : INFINITY;
            if (ratio > worst.ratio) {
                memcpy(worst.at, at, sizeof at);
                worst.ratio = ratio;
                worst.got = got;
                worst.want = want.value;
                worst.bound = bound;
            }
        }
        if (s == 0)
            count = (size_t)fmin((double)all, fmax(MIN_SAMPLE, budget / fmax(1, want.terms)));
    }
    return worst.ratio > 1 ? gb_call_differs(call, kernel->operands[operand].name, worst.at,
                                             worst.got, worst.want, worst.bound)
                           : GB_OK;
}

static enum gb_status check_padding(const struct gb_call *call, int operand) {
    const float *floats = gb_floats(call, operand);
    for (size_t i = gb_elements(&call->operand[operand]); i < gb_operand_floats(call, operand); i++)
        if (floats[i] != 0)
            return gb_call_differs(call, operand_of(call, operand)->name, (int[]){0, 0, 0, (int)i},
                                   floats[i], 0, 0);
    return GB_OK;
}

static enum gb_status check_outputs(const struct gb_call *call, const struct before *before,
                                    double slack, double budget) {
    for (int i = 0; operand_of(call, i)->name; i++) {
        const struct gb_operand *description = operand_of(call, i);
        struct gb_tensor view = call->operand[i];
        if (!view.data || description->role == GB_IN ||
            (description->layout == GB_PACKED && description->role == GB_IN_OUT))
            continue;
        if (description->layout == GB_PACKED)
            view = view_of(before->call.unpacked[i], description->dims(call));
        GB_TRY(check_output(call, before, i, &view, slack, budget));
        if (description->layout == GB_CHANNELS)
            GB_TRY(check_padding(call, i));
    }
    return GB_OK;
}

static enum gb_status check_definitions(const struct gb_call *call, double slack, double budget) {
    struct before before;
    GB_TRY(before_open(call, &before));
    enum gb_status status = check_outputs(call, &before, slack, budget);
    before_free(&before);
    return status;
}

// ---- Fused updates ----

// The direction that stores the gradient, on the update's own operands where it only reads them,
// else on new ones; run. Its outputs and copies are `owned`.
static enum gb_status store_gradient(const struct gb_call *update, struct before *stored) {
    struct gb_call *call = &stored->call;
    *call = *update;
    call->direction = gb_stored_direction(update->operation, update->direction);
    gb_call_size(call);
    for (int i = 0; operand_of(call, i)->name; i++) {
        int same = find_operand(gb_kernel_of(update), operand_of(call, i)->name);
        if (same >= 0 && operand_of(update, same)->role == GB_IN) {
            call->operand[i] = update->operand[same];
            continue;
        }
        float **owned = &stored->owned[stored->count];
        GB_TRY(new_floats(gb_operand_floats(call, i), owned));
        stored->count++;
        call->operand[i].data = *owned;
        if (operand_of(call, i)->role == GB_IN)
            GB_TRY(fill_operand(call, i, &call->operand[i]));
    }
    gb_kernel_of(call)->call(call);
    return GB_OK;
}

static const float *gradient_of(const struct gb_call *stored) {
    int i = 0;
    while (operand_of(stored, i)->layout != GB_PACKED || operand_of(stored, i)->role != GB_OUT)
        i++;
    return gb_floats(stored, i);
}

// An array of floats as halves, and back.
static enum gb_status split_in_place(size_t count, float *weights) {
    float *copy;
    GB_TRY(new_floats(count, &copy));
    memcpy(copy, weights, count * sizeof *copy);
    gb_bf16_split_array(count, copy, weights);
    free(copy);
    return GB_OK;
}
static enum gb_status join_in_place(size_t count, float *halves) {
    float *copy;
    GB_TRY(new_floats(count, &copy));
    memcpy(copy, halves, count * sizeof *copy);
    gb_bf16_join_array(count, copy, halves);
    free(copy);
    return GB_OK;
}

// Weights and moments after Adam, which are those operands that are packed and updated in place.
static enum gb_status compare_update(const struct gb_call *update, const float *gradient,
                                     struct before *stored) {
    const struct gb_exec one = {.threads = 1};
    int operand[3], found = 0;
    float *want[3];
    for (int i = 0; operand_of(update, i)->name; i++)
        if (operand_of(update, i)->layout == GB_PACKED && operand_of(update, i)->role == GB_IN_OUT)
            operand[found++] = i;
    assert(found == 3);
    size_t floats = gb_operand_floats(update, operand[0]);
    for (int i = 0; i < 3; i++) {
        GB_TRY(new_floats(floats, &want[i]));
        stored->owned[stored->count++] = want[i];
        struct gb_tensor view = gb_dense(want[i], 1, 1, 1, (int)floats);
        GB_TRY(fill_operand(update, operand[i], &view));
        if (gb_operand_is_split(update, operand[i]))
            GB_TRY(join_in_place(floats, want[i]));
    }
    const struct gb_adam_target target = {
        .adam = update->adam, .weights = want[0], .moment1 = want[1], .moment2 = want[2]};
    update->backend->adam(&one, &target, 0, floats, gradient);
    if (gb_operand_is_split(update, operand[0]))
        GB_TRY(split_in_place(floats, want[0]));
    for (int i = 0; i < 3; i++)
        for (size_t e = 0; e < floats; e++) {
            const float *got = gb_floats(update, operand[i]) + e;
            if (memcmp(got, &want[i][e], sizeof *got) != 0)
                return gb_call_differs(update, operand_of(update, operand[i])->name,
                                       (int[]){0, 0, 0, (int)e}, *got, want[i][e], 0);
        }
    return GB_OK;
}

// What an update computes next to it, such as fc's dx, is bitwise what the stored direction does.
static enum gb_status compare_outputs(const struct gb_call *update, const struct gb_call *stored) {
    for (int i = 0; operand_of(update, i)->name; i++) {
        const struct gb_tensor *got = &update->operand[i];
        int same = find_operand(gb_kernel_of(stored), operand_of(update, i)->name);
        if (operand_of(update, i)->role != GB_OUT || same < 0 || !got->data)
            continue;
        GB_EACH_ELEMENT(got, at) {
            const struct gb_tensor *want = &stored->operand[same];
            const float a = gb_get(got, at[0], at[1], at[2], at[3]);
            const float b = gb_get(want, at[0], at[1], at[2], at[3]);
            if (memcmp(&a, &b, sizeof a) != 0)
                return gb_call_differs(update, operand_of(update, i)->name, at, a, b, 0);
        }
    }
    return GB_OK;
}

// Puts the update's problem in front of the failure of its stored gradient.
static enum gb_status name_update(const struct gb_call *update) {
    char text[GB_CALL_TEXT], message[GB_MESSAGE];
    gb_call_print(update, text);
    snprintf(message, sizeof message, "%s", gb_error_message());
    return gb_fail(GB_CHECK_FAILED, "wrong gradient for Adam", text, "%s", message);
}

static enum gb_status check_update(const struct gb_call *update, double slack, double budget) {
    struct before stored = {0};
    enum gb_status status = store_gradient(update, &stored);
    if (status == GB_OK) {
        status = check_definitions(&stored.call, slack, budget);
        if (status == GB_CHECK_FAILED)
            status = name_update(update);
    }
    if (status == GB_OK)
        status = compare_update(update, gradient_of(&stored.call), &stored);
    if (status == GB_OK)
        status = compare_outputs(update, &stored.call);
    before_free(&stored);
    return status;
}

enum gb_status gb_call_check(const struct gb_call *call, double slack, double budget) {
    GB_TRY(check_definitions(call, slack, budget));
    return call->direction == GB_BACKWARD_UPDATE ? check_update(call, slack, budget) : GB_OK;
}
