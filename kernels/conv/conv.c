// SPDX-License-Identifier: MIT
// What every backend's convolution shares: its operation count and its name as text.
#include "kernels/conv/conv.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { SIZE_LIMIT = 1 << 20 }; // of any one number, so that seven digits hold it

// The (output position, tap) pairs along one axis that read a pixel inside the image.
static double taps_inside(int size, int out_size, int taps, int stride, int pad) {
    double inside = 0;
    for (int a = 0; a < taps; a++) {
        int before = a < pad ? (pad - a + stride - 1) / stride : 0; // outputs that read left of it
        int last = size - 1 + pad - a;
        int end = last < 0 ? 0 : last / stride + 1;
        end = end < out_size ? end : out_size;
        inside += before < end ? end - before : 0;
    }
    return inside;
}

double gb_conv_flops(const struct gb_conv_problem *p) {
    double rows = taps_inside(p->h, gb_conv_out_h(p), p->kernel_h, p->stride_h, p->pad_h);
    double columns = taps_inside(p->w, gb_conv_out_w(p), p->kernel_w, p->stride_w, p->pad_w);
    return 2.0 * p->n * rows * columns * p->c * p->k;
}

// Every position and every number of floats that an array is divided into then fits an int.
static enum gb_status check_floats(const char *array, double floats) {
    if (floats < 0x1p31)
        return GB_OK;
    return gb_fail(GB_BAD_INPUT, "cannot plan convolution", array, "%.0f floats, not below 2^31",
                   floats);
}

enum gb_status gb_conv_check(const struct gb_conv_problem *p) {
    const int sizes[] = {p->n,        p->h,        p->w,        p->c,       p->k,
                         p->kernel_h, p->kernel_w, p->stride_h, p->stride_w};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] < 1 || sizes[i] > SIZE_LIMIT)
            return gb_fail(GB_BAD_INPUT, "cannot plan convolution", "sizes",
                           "%d is not between 1 and %d", sizes[i], SIZE_LIMIT);
    if (p->pad_h < 0 || p->pad_h >= p->kernel_h || p->pad_w < 0 || p->pad_w >= p->kernel_w)
        return gb_fail(GB_BAD_INPUT, "cannot plan convolution", "padding",
                       "%d and %d are not smaller than the %dx%d kernel", p->pad_h, p->pad_w,
                       p->kernel_h, p->kernel_w);
    if (p->h + 2 * p->pad_h < p->kernel_h || p->w + 2 * p->pad_w < p->kernel_w)
        return gb_fail(GB_BAD_INPUT, "cannot plan convolution", "kernel",
                       "%dx%d is larger than the padded %dx%d image", p->kernel_h, p->kernel_w,
                       p->h + 2 * p->pad_h, p->w + 2 * p->pad_w);
    GB_TRY(check_floats("input", (double)p->n * p->h * p->w * p->c));
    GB_TRY(check_floats("output", (double)p->n * gb_conv_out_h(p) * gb_conv_out_w(p) * p->k));
    return check_floats("weights", (double)p->k * p->c * p->kernel_h * p->kernel_w);
}

size_t gb_epilogue_scratch_floats(const struct gb_tensor *y) {
    size_t pixels = (size_t)y->n * (size_t)y->h * (size_t)y->w;
    size_t chunks = (pixels + GB_EPILOGUE_CHUNK - 1) / GB_EPILOGUE_CHUNK;
    return chunks * 2 * gb_round_up((size_t)y->c, GB_CHANNEL_PAD);
}

// The text's fields in their order: a letter, then the number.
static const struct field {
    char letter;
    size_t offset;
} fields[] = {
    {'n', offsetof(struct gb_conv_problem, n)},
    {'h', offsetof(struct gb_conv_problem, h)},
    {'w', offsetof(struct gb_conv_problem, w)},
    {'c', offsetof(struct gb_conv_problem, c)},
    {'k', offsetof(struct gb_conv_problem, k)},
    {'r', offsetof(struct gb_conv_problem, kernel_h)},
    {'s', offsetof(struct gb_conv_problem, kernel_w)},
    {'u', offsetof(struct gb_conv_problem, stride_h)},
    {'v', offsetof(struct gb_conv_problem, stride_w)},
    {'p', offsetof(struct gb_conv_problem, pad_h)},
    {'q', offsetof(struct gb_conv_problem, pad_w)},
};
enum { FIELDS = sizeof fields / sizeof *fields };
static const char *const activation_names[] = {"", "relu", "leaky", "tanh"};

static int *field_of(struct gb_conv_problem *p, int i) {
    return (int *)((char *)p + fields[i].offset);
}

void gb_conv_print(const struct gb_conv_problem *p, char text[static 96]) {
    struct gb_conv_problem copy = *p;
    size_t used = 0;
    for (int i = 0; i < FIELDS; i++)
        used +=
            (size_t)snprintf(text + used, 96 - used, "%c%d", fields[i].letter, *field_of(&copy, i));
    snprintf(text + used, 96 - used, "%s", activation_names[p->activation]);
}

enum gb_status gb_conv_parse(const char *text, struct gb_conv_problem *p) {
    static const char what[] = "not a convolution";
    const char *at = text;
    for (int i = 0; i < FIELDS; i++) {
        if (*at != fields[i].letter)
            return gb_fail(GB_BAD_INPUT, what, text, "expected '%c' at character %td",
                           fields[i].letter, at - text + 1);
        at++;
        if (*at < '0' || *at > '9')
            return gb_fail(GB_BAD_INPUT, what, text, "no number after '%c'", fields[i].letter);
        long value = 0;
        for (; *at >= '0' && *at <= '9' && value <= SIZE_LIMIT; at++)
            value = 10 * value + (*at - '0');
        if (value > SIZE_LIMIT)
            return gb_fail(GB_BAD_INPUT, what, text, "the number after '%c' exceeds %d",
                           fields[i].letter, SIZE_LIMIT);
        *field_of(p, i) = (int)value;
    }
    for (int activation = GB_IDENTITY; activation <= GB_TANH; activation++)
        if (strcmp(at, activation_names[activation]) == 0) {
            p->activation = (enum gb_activation)activation;
            return gb_conv_check(p);
        }
    return gb_fail(GB_BAD_INPUT, what, text, "unknown activation '%s'", at);
}
