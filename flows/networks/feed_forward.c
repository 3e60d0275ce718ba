// SPDX-License-Identifier: MIT
#include "flows/networks/feed_forward.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/minmax.h"

enum kind { CONV, NORM, POOL, UPSAMPLE, BICUBIC, RESIDUAL };

// How a reader's accumulation enters a slice's gradient: it is the first for the last `fresh`
// channels, and is added to the others.
struct accumulation {
    bool adds; // to at least one channel
    int fresh;
};

struct gb_feed_forward_operation {
    enum kind kind;
    struct gb_slice from, to;
    struct gb_slice skip; // RESIDUAL: x; `from` is r
    struct accumulation d_from, d_skip;
    int layer; // gb_feed_forward.layer
    int block; // that it belongs to, or NO_BLOCK
    bool runs_again;
    union {
        struct {
            struct gb_conv_layer layer;
            // The layer whose output only this one reads: the backward of its activation is fused
            // with this layer's data gradient.
            struct gb_conv_layer *producer;
            bool fused; // is the producer of its only reader
        } conv;
        struct {
            enum gb_activation activation;
            float *mean, *variance; // images x channels
        } norm;
        struct gb_pool_plan pool;
        struct gb_upsample_plan upsample;
        struct gb_resample_plan enlarge;
        float factor; // RESIDUAL
    };
};

struct gb_feed_forward_buffer {
    int h, w, c;
    enum gb_type type; // of values and gradients
    int output;        // its index, or NOT_AN_OUTPUT
    bool trained;      // it depends on parameters, so backward needs its gradient
    int block;         // whose recomputation restores its value, or NO_BLOCK
    struct gb_tensor value;
    size_t value_offset, gradient_offset; // in values, in backward's workspace
    int known; // while planning: channels whose gradient has contributions so far
};

// Operations [first, end) that backward runs again.
struct gb_feed_forward_block {
    int first, end;
    struct gb_slice input;
    bool copied;  // forward copies the input, since its buffer is used again
    size_t saved; // where to, in values
};

enum { INPUT, NOT_AN_OUTPUT = -1, NO_BLOCK = -1 };

static struct gb_tensor shape_of(const struct gb_feed_forward *net, int buffer) {
    const struct gb_feed_forward_buffer *b = &net->buffers[buffer];
    return gb_dense_of(b->type, NULL, net->images, b->h, b->w, b->c);
}

// ---- Describing ----

static void fail(struct gb_feed_forward *net, enum gb_status status) {
    if (net->status == GB_OK)
        net->status = status;
}

struct gb_slice gb_feed_forward_buffer(struct gb_feed_forward *net, int h, int w, int c) {
    struct gb_feed_forward_buffer *buffers =
        gb_grow(net->buffers, (size_t)net->buffer_count, sizeof *buffers);
    if (!buffers) {
        fail(net, gb_no_memory("cannot build the model", "network"));
        return (struct gb_slice){INPUT, 0, c};
    }
    net->buffers = buffers;
    buffers[net->buffer_count] = (struct gb_feed_forward_buffer){
        .h = h, .w = w, .c = c, .output = NOT_AN_OUTPUT, .block = NO_BLOCK};
    return (struct gb_slice){net->buffer_count++, 0, c};
}

struct gb_slice gb_feed_forward_begin(struct gb_feed_forward *net, struct gb_builder *builder,
                                      enum gb_gradients gradients, int images, int h, int w,
                                      int c) {
    *net = (struct gb_feed_forward){.builder = builder, .gradients = gradients, .images = images};
    struct gb_slice input = gb_feed_forward_buffer(net, h, w, c);
    if (net->status == GB_OK)
        net->buffers[INPUT].trained = gradients == GB_GRADIENTS_ALL;
    return input;
}

// NULL after a failure.
static struct gb_feed_forward_operation *append(struct gb_feed_forward *net, enum kind kind,
                                                struct gb_slice from, struct gb_slice to) {
    if (net->status != GB_OK)
        return NULL;
    struct gb_feed_forward_operation *operation = calloc(1, sizeof *operation);
    struct gb_feed_forward_operation **operations =
        gb_grow(net->operations, (size_t)net->operation_count, sizeof *operations);
    if (operations)
        net->operations = operations;
    if (!operation || !operations) {
        free(operation);
        fail(net, gb_no_memory("cannot build the model", "network"));
        return NULL;
    }
    operation->kind = kind;
    operation->from = from;
    operation->to = to;
    operation->layer = net->layer;
    operation->block = net->in_block ? net->block_count - 1 : NO_BLOCK;
    net->operations[net->operation_count++] = operation;
    return operation;
}

static void mark_trained(struct gb_feed_forward *net, struct gb_slice from, struct gb_slice to) {
    net->buffers[to.buffer].trained |= net->buffers[from.buffer].trained;
}

void gb_feed_forward_conv_into(struct gb_feed_forward *net, struct gb_conv_layer_spec spec,
                               struct gb_slice from, struct gb_slice to) {
    struct gb_feed_forward_operation *operation = append(net, CONV, from, to);
    if (!operation)
        return;
    const struct gb_feed_forward_buffer *in = &net->buffers[from.buffer];
    struct gb_feed_forward_buffer *out = &net->buffers[to.buffer];
    spec.problem.n = net->images;
    spec.problem.h = in->h;
    spec.problem.w = in->w;
    spec.problem.c = from.count;
    spec.problem.k = to.count;
    spec.first = !in->trained;
    assert(gb_conv_out_h(&spec.problem) == out->h && gb_conv_out_w(&spec.problem) == out->w);
    fail(net, gb_conv_layer_declare(&operation->conv.layer, net->builder, &spec));
    out->trained = true;
}

struct gb_slice gb_feed_forward_conv(struct gb_feed_forward *net, struct gb_conv_layer_spec spec,
                                     struct gb_slice from, int channels) {
    if (net->status != GB_OK)
        return (struct gb_slice){INPUT, 0, channels};
    spec.problem.h = net->buffers[from.buffer].h;
    spec.problem.w = net->buffers[from.buffer].w;
    struct gb_slice to = gb_feed_forward_buffer(net, gb_conv_out_h(&spec.problem),
                                                gb_conv_out_w(&spec.problem), channels);
    gb_feed_forward_conv_into(net, spec, from, to);
    return to;
}

// A buffer of the channels of `from`, `factor` / `divisor` times as high and wide.
static struct gb_slice resized(struct gb_feed_forward *net, struct gb_slice from, int factor,
                               int divisor) {
    if (net->status != GB_OK)
        return from;
    const int h = net->buffers[from.buffer].h, w = net->buffers[from.buffer].w;
    return gb_feed_forward_buffer(net, h * factor / divisor, w * factor / divisor, from.count);
}

struct gb_slice gb_feed_forward_norm(struct gb_feed_forward *net, enum gb_activation activation,
                                     struct gb_slice from) {
    struct gb_slice to = resized(net, from, 1, 1);
    struct gb_feed_forward_operation *operation = append(net, NORM, from, to);
    if (!operation)
        return to;
    operation->norm.activation = activation;
    struct gb_tensor v = shape_of(net, from.buffer);
    v.c = from.count;
    gb_builder_need_scratch(net->builder, gb_moments_scratch_bytes(&v));
    gb_builder_need_scratch(net->builder, gb_instance_norm_scratch_bytes(&v));
    mark_trained(net, from, to);
    return to;
}

struct gb_slice gb_feed_forward_pool(struct gb_feed_forward *net, struct gb_slice from) {
    struct gb_slice to = resized(net, from, 1, 2);
    if (append(net, POOL, from, to))
        mark_trained(net, from, to);
    return to;
}

void gb_feed_forward_upsample_into(struct gb_feed_forward *net, struct gb_slice from,
                                   struct gb_slice to) {
    if (append(net, UPSAMPLE, from, to))
        mark_trained(net, from, to);
}

struct gb_slice gb_feed_forward_upsample(struct gb_feed_forward *net, struct gb_slice from) {
    struct gb_slice to = resized(net, from, 2, 1);
    gb_feed_forward_upsample_into(net, from, to);
    return to;
}

struct gb_slice gb_feed_forward_bicubic(struct gb_feed_forward *net, struct gb_slice from, int h,
                                        int w) {
    struct gb_slice to = gb_feed_forward_buffer(net, h, w, from.count);
    struct gb_feed_forward_operation *operation = append(net, BICUBIC, from, to);
    if (!operation)
        return to;
    const struct gb_feed_forward_buffer *in = &net->buffers[from.buffer];
    assert(!in->trained && h % in->h == 0 && w % in->w == 0);
    fail(net, gb_resample_plan_size(GB_BICUBIC, in->h, in->w, h, w, &operation->enlarge));
    struct gb_tensor x = shape_of(net, from.buffer);
    gb_builder_need_scratch(net->builder, gb_resample_scratch_bytes(&x, net->builder->threads));
    return to;
}

void gb_feed_forward_residual(struct gb_feed_forward *net, struct gb_slice x, float factor,
                              struct gb_slice r, struct gb_slice to) {
    struct gb_feed_forward_operation *operation = append(net, RESIDUAL, r, to);
    if (!operation)
        return;
    operation->skip = x;
    operation->factor = factor;
    mark_trained(net, x, to);
    mark_trained(net, r, to);
}

void gb_feed_forward_keep(struct gb_feed_forward *net) {
    if (net->in_block)
        net->blocks[net->block_count - 1].end = net->operation_count;
    net->in_block = false;
}

void gb_feed_forward_recompute(struct gb_feed_forward *net, struct gb_slice input) {
    gb_feed_forward_keep(net);
    if (net->status != GB_OK || !net->builder->recompute || !net->gradients)
        return;
    struct gb_feed_forward_block *blocks =
        gb_grow(net->blocks, (size_t)net->block_count, sizeof *blocks);
    if (!blocks) {
        fail(net, gb_no_memory("cannot build the model", "network"));
        return;
    }
    net->blocks = blocks;
    blocks[net->block_count++] =
        (struct gb_feed_forward_block){.first = net->operation_count, .input = input};
    net->in_block = true;
}

void gb_feed_forward_output(struct gb_feed_forward *net, struct gb_slice slice) {
    if (net->status != GB_OK)
        return;
    assert(net->output_count < GB_MAX_OUTPUTS && slice.count == net->buffers[slice.buffer].c);
    net->buffers[slice.buffer].output = net->output_count;
    net->outputs[net->output_count++] = slice;
}

// ---- Planning: types ----

// The type that an operation other than a convolution demands of its buffers; true if it changed
// one: all are floats if one is, or if the operation takes nothing else.
static bool joins_types(struct gb_feed_forward *net,
                        const struct gb_feed_forward_operation *operation) {
    struct gb_feed_forward_buffer *list[] = {
        &net->buffers[operation->from.buffer], &net->buffers[operation->to.buffer],
        &net->buffers[operation->kind == RESIDUAL ? operation->skip.buffer
                                                  : operation->from.buffer]};
    enum { COUNT = sizeof list / sizeof *list };
    bool floats = operation->kind == NORM || operation->kind == BICUBIC, changed = false;
    for (int i = 0; i < COUNT; i++)
        floats |= list[i]->type == GB_F32;
    for (int i = 0; i < COUNT && floats; i++) {
        changed |= list[i]->type != GB_F32;
        list[i]->type = GB_F32;
    }
    return changed;
}

// With bf16, what convolutions read is rounded in any case: rounded as it is written, it takes half
// the memory, as does its gradient.
static void choose_types(struct gb_feed_forward *net) {
    for (int b = 0; b < net->buffer_count; b++) {
        struct gb_feed_forward_buffer *buffer = &net->buffers[b];
        const bool outside = b == INPUT || buffer->output != NOT_AN_OUTPUT;
        buffer->type = outside ? GB_F32 : net->builder->precision;
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = 0; i < net->operation_count; i++)
            if (net->operations[i]->kind != CONV)
                changed |= joins_types(net, net->operations[i]);
    }
}

static void plan_conv(struct gb_feed_forward *net, struct gb_feed_forward_operation *operation) {
    const bool rounds = net->builder->precision == GB_BF16;
    const bool x = net->buffers[operation->from.buffer].type == GB_BF16;
    const bool y = net->buffers[operation->to.buffer].type == GB_BF16;
    const enum gb_format format = !rounds  ? GB_FLOATS
                                  : x && y ? GB_BF16_OPERANDS
                                  : x      ? GB_BF16_Y32
                                  : y      ? GB_BF16_X32
                                           : GB_BF16_XY32;
    fail(net, gb_conv_layer_plan_format(&operation->conv.layer, net->builder, format));
}

static void plan_pool(struct gb_feed_forward *net, struct gb_feed_forward_operation *operation) {
    const struct gb_feed_forward_buffer *in = &net->buffers[operation->from.buffer];
    const struct gb_pool_problem problem = {.n = net->images,
                                            .h = in->h,
                                            .w = in->w,
                                            .c = operation->from.count,
                                            .kernel = 2,
                                            .stride = 2,
                                            .format = gb_tensor_format(in->type)};
    struct gb_builder *builder = net->builder;
    fail(net, builder->backend->max_pool_plan(&problem, builder->threads, &operation->pool));
    gb_builder_need_scratch(builder, operation->pool.scratch_bytes);
}

static void plan_upsample(struct gb_feed_forward *net,
                          struct gb_feed_forward_operation *operation) {
    const struct gb_feed_forward_buffer *in = &net->buffers[operation->from.buffer];
    const struct gb_upsample_problem problem = {.n = net->images,
                                                .h = in->h,
                                                .w = in->w,
                                                .c = operation->from.count,
                                                .factor = 2,
                                                .format = gb_tensor_format(in->type)};
    struct gb_builder *builder = net->builder;
    fail(net, builder->backend->upsample_plan(&problem, builder->threads, &operation->upsample));
    gb_builder_need_scratch(builder, operation->upsample.scratch_bytes);
}

static void plan_operations(struct gb_feed_forward *net) {
    choose_types(net);
    for (int i = 0; i < net->operation_count && net->status == GB_OK; i++) {
        struct gb_feed_forward_operation *operation = net->operations[i];
        if (operation->kind == CONV)
            plan_conv(net, operation);
        else if (operation->kind == POOL)
            plan_pool(net, operation);
        else if (operation->kind == UPSAMPLE)
            plan_upsample(net, operation);
    }
}

// ---- Planning: accumulation of gradients ----

static bool same_slice(struct gb_slice a, struct gb_slice b) {
    return a.buffer == b.buffer && a.first == b.first && a.count == b.count;
}

static bool overlap(struct gb_slice a, struct gb_slice b) {
    return a.buffer == b.buffer && a.first < b.first + b.count && b.first < a.first + a.count;
}

static bool reads(const struct gb_feed_forward_operation *operation, struct gb_slice slice) {
    return overlap(operation->from, slice) ||
           (operation->kind == RESIDUAL && overlap(operation->skip, slice));
}

// The convolution that writes `slice`, if it has a single reader; otherwise NULL.
static struct gb_feed_forward_operation *only_producer(const struct gb_feed_forward *net,
                                                       struct gb_slice slice) {
    struct gb_feed_forward_operation *producer = NULL;
    int readers = 0;
    for (int i = 0; i < net->operation_count; i++) {
        struct gb_feed_forward_operation *operation = net->operations[i];
        if (operation->kind == CONV && same_slice(operation->to, slice))
            producer = operation;
        readers += reads(operation, slice);
    }
    return readers == 1 && net->buffers[slice.buffer].output == NOT_AN_OUTPUT ? producer : NULL;
}

// A reader of `slice` contributes to its gradient.
static struct accumulation accumulate_from(struct gb_feed_forward *net, struct gb_slice slice) {
    int *known = &net->buffers[slice.buffer].known;
    int fresh = gb_max_int(slice.first + slice.count - *known, 0);
    assert(slice.first <= *known);
    struct accumulation accumulation = {.adds = fresh < slice.count, .fresh = fresh};
    *known += fresh;
    if (accumulation.adds) {
        struct gb_tensor share = shape_of(net, slice.buffer);
        share.c = slice.count;
        size_t floats = gb_tensor_floats(&share);
        net->partial = gb_max_size(net->partial, floats);
    }
    return accumulation;
}

static void plan_accumulation(struct gb_feed_forward *net) {
    for (int i = 0; i < net->output_count; i++)
        net->buffers[net->outputs[i].buffer].known = net->outputs[i].count;
    for (int i = net->operation_count - 1; i >= 0; i--) {
        struct gb_feed_forward_operation *operation = net->operations[i];
        assert(net->buffers[operation->to.buffer].known >=
               operation->to.first + operation->to.count);
        operation->d_from = accumulate_from(net, operation->from);
        if (operation->kind == RESIDUAL)
            operation->d_skip = accumulate_from(net, operation->skip);
        if (operation->kind != CONV || operation->d_from.adds)
            continue;
        struct gb_feed_forward_operation *producer = only_producer(net, operation->from);
        const enum gb_type dx = net->buffers[operation->from.buffer].type;
        // The data gradient must come out as the producer takes it.
        if (producer && dx == gb_conv_layer_du_type(&producer->conv.layer)) {
            operation->conv.producer = &producer->conv.layer;
            producer->conv.fused = true;
        }
    }
}

// ---- Planning: memory ----

// The first and last operation for which a buffer's memory is in use.
struct span {
    int begin, end;
};

// Where a buffer is used.
struct uses {
    int first_write, last_read;
    bool kept; // its value is needed in backward
};

static struct uses uses_of(const struct gb_feed_forward *net, int buffer) {
    struct uses uses = {net->operation_count, -1, net->buffers[buffer].output != NOT_AN_OUTPUT};
    for (int i = net->operation_count - 1; i >= 0; i--) {
        const struct gb_feed_forward_operation *operation = net->operations[i];
        bool takes = operation->from.buffer == buffer;
        bool skips = operation->kind == RESIDUAL && operation->skip.buffer == buffer;
        if ((takes || skips) && uses.last_read < 0)
            uses.last_read = i;
        if (operation->to.buffer == buffer)
            uses.first_write = i;
        if (operation->kind == CONV && operation->to.buffer == buffer)
            uses.kept |= net->gradients && (operation->conv.layer.plan.problem.activation ||
                                            operation->conv.layer.log_scale >= 0);
        if (takes &&
            (operation->kind == CONV || operation->kind == NORM || operation->kind == POOL))
            uses.kept |= net->gradients != GB_GRADIENTS_NONE;
    }
    return uses;
}

static bool touches(const struct gb_feed_forward_operation *operation, int buffer) {
    return operation->from.buffer == buffer || operation->to.buffer == buffer ||
           (operation->kind == RESIDUAL && operation->skip.buffer == buffer);
}

// The block that all operations on a buffer belong to, or NO_BLOCK.
static int only_block(const struct gb_feed_forward *net, int buffer) {
    int block = NO_BLOCK;
    for (int i = 0; i < net->operation_count; i++) {
        const struct gb_feed_forward_operation *operation = net->operations[i];
        if (!touches(operation, buffer))
            continue;
        if (operation->block == NO_BLOCK || (block != NO_BLOCK && operation->block != block))
            return NO_BLOCK;
        block = operation->block;
    }
    return block;
}

// Which blocks restore which buffers: their own, and the one that a copied input is part of. What
// else operations of a block read stays.
static void plan_blocks(struct gb_feed_forward *net) {
    if (!net->block_count)
        return;
    for (int b = 1; b < net->buffer_count; b++)
        if (net->buffers[b].output == NOT_AN_OUTPUT)
            net->buffers[b].block = only_block(net, b);
    for (int k = 0; k < net->block_count; k++) {
        struct gb_feed_forward_block *block = &net->blocks[k];
        struct gb_feed_forward_buffer *input = &net->buffers[block->input.buffer];
        block->copied = block->input.count < input->c;
        assert(!block->copied || block->input.buffer != INPUT);
        if (block->copied)
            input->block = k;
        for (int i = block->end - 1; i >= block->first; i--) {
            struct gb_feed_forward_operation *operation = net->operations[i];
            bool wanted = uses_of(net, operation->to.buffer).kept;
            for (int j = i + 1; j < block->end && !wanted; j++)
                wanted = net->operations[j]->runs_again && reads(net->operations[j], operation->to);
            operation->runs_again = wanted && net->buffers[operation->to.buffer].block == k;
            assert(!operation->runs_again || operation->from.buffer == INPUT ||
                   net->buffers[operation->from.buffer].block == k ||
                   uses_of(net, operation->from.buffer).kept);
        }
    }
}

// What backward needs of a buffer that a block restores stays until the block's own backward, which
// runs when the memory of all that follows is free again.
static struct span value_span(const struct gb_feed_forward *net, int buffer) {
    const struct uses uses = uses_of(net, buffer);
    const int block = net->buffers[buffer].block;
    int end = uses.last_read;
    if (uses.kept)
        end = block == NO_BLOCK ? net->operation_count - 1
                                : gb_max_int(end, net->blocks[block].end - 1);
    return (struct span){uses.first_write, end};
}

struct slot {
    size_t floats;
    int busy; // up to and including this operation
};

// The best fit among slots that are free at `time`.
static int choose_slot(const struct slot *slots, int count, size_t floats, int time) {
    int best = count;
    for (int s = 0; s < count; s++) {
        if (slots[s].busy >= time)
            continue;
        bool fits = slots[s].floats >= floats;
        bool best_fits = best < count && slots[best].floats >= floats;
        if (best == count || (fits && (!best_fits || slots[s].floats < slots[best].floats)) ||
            (!fits && !best_fits && slots[s].floats > slots[best].floats))
            best = s;
    }
    return best;
}

// Assigns offsets at[b] to all buffers except the input and those with an empty span; returns the
// total size in floats. `slots`: one for each buffer.
static size_t pack(const struct gb_feed_forward *net, const struct span *spans, struct slot *slots,
                   size_t *at) {
    int slot_count = 0;
    for (int time = 0; time < net->operation_count; time++)
        for (int b = 1; b < net->buffer_count; b++) {
            if (spans[b].begin != time || spans[b].end < time)
                continue;
            struct gb_tensor shape = shape_of(net, b);
            size_t floats = gb_tensor_floats(&shape);
            int s = choose_slot(slots, slot_count, floats, time);
            if (s == slot_count)
                slots[slot_count++] = (struct slot){0};
            slots[s].floats = gb_max_size(slots[s].floats, floats);
            slots[s].busy = spans[b].end;
            at[b] = (size_t)s;
        }
    size_t floats = 0;
    for (int s = 0; s < slot_count; s++) {
        size_t size = slots[s].floats;
        slots[s].floats = floats; // from now on its offset
        floats += size;
    }
    for (int b = 1; b < net->buffer_count; b++)
        if (spans[b].end >= spans[b].begin)
            at[b] = slots[at[b]].floats;
    return floats;
}

// Memory for the gradients of float outputs that bf16 convolutions take.
static void plan_rounding(struct gb_feed_forward *net) {
    for (int i = 0; i < net->operation_count; i++) {
        const struct gb_feed_forward_operation *operation = net->operations[i];
        if (operation->kind != CONV || operation->conv.fused)
            continue;
        const struct gb_feed_forward_buffer *out = &net->buffers[operation->to.buffer];
        const enum gb_type type = gb_conv_layer_du_type(&operation->conv.layer);
        const struct gb_tensor du =
            gb_dense_of(type, NULL, net->images, out->h, out->w, operation->to.count);
        if (type != out->type)
            net->du = gb_max_size(net->du, gb_tensor_floats(&du));
    }
}

static void plan_memory(struct gb_feed_forward *net, struct span *spans, struct slot *slots,
                        size_t *at) {
    int last = net->operation_count - 1;
    plan_blocks(net);
    for (int b = 0; b < net->buffer_count; b++)
        spans[b] = value_span(net, b);
    net->value_floats = pack(net, spans, slots, at);
    for (int b = 0; b < net->buffer_count; b++)
        net->buffers[b].value_offset = at[b];
    for (int k = 0; k < net->block_count; k++) {
        struct gb_tensor saved = shape_of(net, net->blocks[k].input.buffer);
        saved.c = net->blocks[k].input.count;
        net->blocks[k].saved = net->value_floats;
        net->value_floats += net->blocks[k].copied ? gb_tensor_floats(&saved) : 0;
    }
    if (!net->gradients)
        return;
    plan_accumulation(net);
    // Backward, operation i runs at time last - i. Gradients of outputs are the caller's.
    for (int b = 0; b < net->buffer_count; b++) {
        struct uses uses = uses_of(net, b);
        spans[b] = (struct span){last - uses.last_read, last - uses.first_write};
        if (net->buffers[b].output != NOT_AN_OUTPUT)
            spans[b] = (struct span){0, -1};
    }
    plan_rounding(net);
    const size_t first = net->partial + net->du;
    net->workspace_floats = first + pack(net, spans, slots, at);
    for (int b = 0; b < net->buffer_count; b++)
        net->buffers[b].gradient_offset = first + at[b];
}

enum gb_status gb_feed_forward_end(struct gb_feed_forward *net) {
    gb_feed_forward_keep(net);
    plan_operations(net);
    net->builder = NULL;
    if (net->status != GB_OK)
        return net->status;
    const size_t buffers = (size_t)net->buffer_count;
    struct span *spans = calloc(buffers, sizeof *spans);
    struct slot *slots = calloc(buffers, sizeof *slots);
    size_t *at = calloc(buffers, sizeof *at);
    if (spans && slots && at)
        plan_memory(net, spans, slots, at);
    else
        fail(net, gb_no_memory("cannot build the model", "network"));
    free(spans);
    free(slots);
    free(at);
    return net->status;
}

// ---- Memory ----

void gb_feed_forward_move(struct gb_feed_forward *net, float *values) {
    net->values = values;
    for (int b = 1; b < net->buffer_count; b++) {
        struct gb_feed_forward_buffer *buffer = &net->buffers[b];
        buffer->value = shape_of(net, b);
        buffer->value.data = values ? values + buffer->value_offset : NULL;
    }
}

void gb_feed_forward_bind(struct gb_feed_forward *net, struct gb_arena *arena, float *values) {
    gb_feed_forward_move(net, values);
    for (int i = 0; i < net->operation_count; i++) {
        struct gb_feed_forward_operation *operation = net->operations[i];
        size_t moments = (size_t)net->images * (size_t)operation->from.count;
        if (operation->kind == CONV)
            gb_conv_layer_bind(&operation->conv.layer, arena);
        if (operation->kind != NORM)
            continue;
        operation->norm.mean = gb_arena_floats(arena, moments);
        operation->norm.variance = gb_arena_floats(arena, moments);
    }
}

void gb_feed_forward_free(struct gb_feed_forward *net, const struct gb_backend *backend) {
    for (int i = 0; i < net->operation_count; i++) {
        struct gb_feed_forward_operation *operation = net->operations[i];
        if (operation->kind == CONV)
            gb_conv_layer_free(&operation->conv.layer, backend);
        if (operation->kind == POOL)
            backend->max_pool_plan_free(&operation->pool);
        if (operation->kind == UPSAMPLE)
            backend->upsample_plan_free(&operation->upsample);
        if (operation->kind == BICUBIC)
            gb_resample_plan_free(&operation->enlarge);
        free(operation);
    }
    free(net->operations);
    free(net->buffers);
    free(net->blocks);
    *net = (struct gb_feed_forward){0};
}

const struct gb_tensor *gb_feed_forward_value(const struct gb_feed_forward *net, int index) {
    assert(index >= 0 && index < net->output_count);
    return &net->buffers[net->outputs[index].buffer].value;
}

// ---- Forward ----

static struct gb_tensor value_at(const struct gb_feed_forward *net, const struct gb_tensor *x,
                                 struct gb_slice slice) {
    const struct gb_tensor *buffer = slice.buffer == INPUT ? x : &net->buffers[slice.buffer].value;
    return gb_channels(buffer, slice.first, slice.count);
}

static struct gb_norm_moments moments_of(const struct gb_feed_forward_operation *operation) {
    return (struct gb_norm_moments){operation->norm.mean, operation->norm.variance,
                                    operation->from.count};
}

static void normalise(const struct gb_feed_forward_operation *operation, const struct gb_pass *pass,
                      const struct gb_tensor *from, const struct gb_tensor *to) {
    struct gb_norm_moments moments = moments_of(operation);
    pass->backend->moments(&pass->exec, from, operation->norm.mean, operation->norm.variance,
                           moments.stride);
    pass->backend->instance_norm_forward(&pass->exec, operation->norm.activation, from, &moments,
                                         to);
}

// Ends the layer that is being timed, unless the next operation belongs to it, and begins its own.
static void time_layer(const struct gb_pass *pass, int layer, enum gb_direction direction,
                       struct gb_layer_span *span) {
    if (!pass->profile || span->layer == layer)
        return;
    gb_layer_end(pass->profile, span);
    gb_layer_begin(pass->profile, layer, direction, span);
}

static void run(const struct gb_feed_forward *net, struct gb_feed_forward_operation *operation,
                const struct gb_pass *pass, const struct gb_tensor *x) {
    const struct gb_backend *backend = pass->backend;
    struct gb_tensor from = value_at(net, x, operation->from);
    struct gb_tensor to = value_at(net, x, operation->to);
    switch (operation->kind) {
    case CONV:
        gb_conv_layer_forward(&operation->conv.layer, pass, &from, &to);
        break;
    case NORM:
        normalise(operation, pass, &from, &to);
        break;
    case POOL:
        backend->max_pool_forward(&operation->pool, &pass->exec, &from, &to);
        break;
    case UPSAMPLE:
        backend->upsample_forward(&operation->upsample, &pass->exec, &from, &to);
        break;
    case BICUBIC:
        backend->resample(&pass->exec, &operation->enlarge, &from, &to);
        break;
    case RESIDUAL: {
        struct gb_tensor skip = value_at(net, x, operation->skip);
        backend->add_scaled(&pass->exec, &skip, operation->factor, &from, &to);
    }
    }
}

// Copies a block's input aside, or back.
static void copy_input(const struct gb_feed_forward *net, const struct gb_feed_forward_block *block,
                       const struct gb_pass *pass, bool back) {
    if (!block->copied)
        return;
    const struct gb_tensor input = value_at(net, NULL, block->input);
    const struct gb_tensor saved =
        gb_dense_of(input.type, net->values + block->saved, input.n, input.h, input.w, input.c);
    if (back)
        gb_copy(pass, &saved, &input);
    else
        gb_copy(pass, &input, &saved);
}

void gb_feed_forward_forward(struct gb_feed_forward *net, const struct gb_pass *pass,
                             const struct gb_tensor *x) {
    struct gb_layer_span span = {0};
    for (int i = 0; i < net->operation_count; i++) {
        struct gb_feed_forward_operation *operation = net->operations[i];
        time_layer(pass, operation->layer, GB_FORWARD, &span);
        if (operation->block != NO_BLOCK && net->blocks[operation->block].first == i)
            copy_input(net, &net->blocks[operation->block], pass, false);
        run(net, operation, pass, x);
    }
    time_layer(pass, 0, GB_FORWARD, &span);
}

// ---- Backward ----

struct gradients {
    const struct gb_feed_forward *net;
    const struct gb_pass *pass;
    const struct gb_tensor *x, *dx, *d_outputs;
    float *workspace;
};

static struct gb_tensor gradient_at(const struct gradients *gradients, struct gb_slice slice) {
    const struct gb_feed_forward_buffer *buffer = &gradients->net->buffers[slice.buffer];
    if (slice.buffer == INPUT)
        return gb_channels(gradients->dx, slice.first, slice.count);
    if (buffer->output != NOT_AN_OUTPUT)
        return gb_channels(&gradients->d_outputs[buffer->output], slice.first, slice.count);
    struct gb_tensor gradient = buffer->value;
    gradient.data = gradients->workspace + buffer->gradient_offset;
    return gb_channels(&gradient, slice.first, slice.count);
}

// Accumulates factor * share into the gradient of a slice.
static void accumulate(const struct gradients *gradients, struct gb_slice slice,
                       const struct accumulation *accumulation, float factor,
                       const struct gb_tensor *share) {
    const struct gb_pass *pass = gradients->pass;
    struct gb_tensor d = gradient_at(gradients, slice);
    int known = slice.count - accumulation->fresh;
    struct gb_tensor old = gb_channels(&d, 0, known);
    struct gb_tensor fresh = gb_channels(&d, known, accumulation->fresh);
    struct gb_tensor first = gb_channels(share, 0, known);
    struct gb_tensor rest = gb_channels(share, known, accumulation->fresh);
    if (old.c > 0)
        pass->backend->add_scaled(&pass->exec, &old, factor, &first, &old);
    if (fresh.c > 0)
        pass->backend->add_scaled(&pass->exec, NULL, factor, &rest, &fresh);
}

// Where an operation writes its contribution: into the gradient, or the workspace.
static struct gb_tensor share_of(const struct gradients *gradients, struct gb_slice slice,
                                 const struct accumulation *accumulation) {
    struct gb_tensor d = gradient_at(gradients, slice);
    return accumulation->adds ? gb_dense_of(d.type, gradients->workspace, d.n, d.h, d.w, d.c) : d;
}

static void accumulate_share(const struct gradients *gradients, struct gb_slice slice,
                             const struct accumulation *accumulation,
                             const struct gb_tensor *share) {
    if (accumulation->adds)
        accumulate(gradients, slice, accumulation, 1, share);
}

static bool wants_gradient(const struct gradients *gradients, struct gb_slice slice) {
    return gradients->dx || gradients->net->buffers[slice.buffer].trained;
}

static void residual_backward(const struct gradients *gradients,
                              const struct gb_feed_forward_operation *operation,
                              const struct gb_tensor *dy) {
    if (wants_gradient(gradients, operation->from))
        accumulate(gradients, operation->from, &operation->d_from, operation->factor, dy);
    if (wants_gradient(gradients, operation->skip))
        accumulate(gradients, operation->skip, &operation->d_skip, 1, dy);
}

static void conv_backward(const struct gradients *gradients,
                          struct gb_feed_forward_operation *operation, const struct gb_tensor *from,
                          const struct gb_tensor *dy) {
    const struct gb_pass *pass = gradients->pass;
    struct gb_conv_layer *layer = &operation->conv.layer;
    struct gb_tensor du = *dy;
    if (!operation->conv.fused) {
        struct gb_tensor y = value_at(gradients->net, gradients->x, operation->to);
        if (du.type != gb_conv_layer_du_type(layer))
            du = gb_dense_of(gb_conv_layer_du_type(layer),
                             gradients->workspace + gradients->net->partial, dy->n, dy->h, dy->w,
                             dy->c);
        gb_conv_layer_output_backward(layer, pass, dy, &y, &du);
    }
    if (!wants_gradient(gradients, operation->from)) {
        gb_conv_layer_backward(layer, pass, from, &du, NULL, NULL);
        return;
    }
    struct gb_tensor share = share_of(gradients, operation->from, &operation->d_from);
    gb_conv_layer_backward(layer, pass, from, &du, operation->conv.producer, &share);
    accumulate_share(gradients, operation->from, &operation->d_from, &share);
}

// Of the operations without parameters.
static void map_backward(const struct gradients *gradients,
                         const struct gb_feed_forward_operation *operation,
                         const struct gb_tensor *from, const struct gb_tensor *dy) {
    if (!wants_gradient(gradients, operation->from))
        return;
    assert(operation->kind != BICUBIC);
    const struct gb_pass *pass = gradients->pass;
    const struct gb_backend *backend = pass->backend;
    struct gb_tensor share = share_of(gradients, operation->from, &operation->d_from);
    if (operation->kind == NORM) {
        struct gb_norm_moments moments = moments_of(operation);
        backend->instance_norm_backward(&pass->exec, operation->norm.activation, from, &moments, dy,
                                        NULL, &share);
    } else if (operation->kind == POOL) {
        backend->max_pool_backward(&operation->pool, &pass->exec, from, dy, &share);
    } else {
        backend->upsample_backward(&operation->upsample, &pass->exec, dy, &share);
    }
    accumulate_share(gradients, operation->from, &operation->d_from, &share);
}

static void run_again(const struct gb_feed_forward *net, const struct gb_feed_forward_block *block,
                      const struct gb_pass *pass, const struct gb_tensor *x) {
    copy_input(net, block, pass, true);
    for (int i = block->first; i < block->end; i++)
        if (net->operations[i]->runs_again)
            run(net, net->operations[i], pass, x);
}

void gb_feed_forward_backward(struct gb_feed_forward *net, const struct gb_pass *pass,
                              const struct gb_tensor *x, const struct gb_tensor *d_outputs,
                              float *workspace, const struct gb_tensor *dx) {
    assert(net->gradients && (dx || net->gradients != GB_GRADIENTS_ALL));
    const struct gradients gradients = {
        .net = net, .pass = pass, .x = x, .dx = dx, .d_outputs = d_outputs, .workspace = workspace};
    struct gb_layer_span span = {0};
    for (int i = net->operation_count - 1; i >= 0; i--) {
        struct gb_feed_forward_operation *operation = net->operations[i];
        if (!wants_gradient(&gradients, operation->to))
            continue;
        time_layer(pass, operation->layer, GB_BACKWARD, &span);
        if (operation->block != NO_BLOCK && net->blocks[operation->block].end == i + 1)
            run_again(net, &net->blocks[operation->block], pass, x);
        struct gb_tensor from = value_at(net, x, operation->from);
        struct gb_tensor dy = gradient_at(&gradients, operation->to);
        if (operation->kind == CONV)
            conv_backward(&gradients, operation, &from, &dy);
        else if (operation->kind == RESIDUAL)
            residual_backward(&gradients, operation, &dy);
        else
            map_backward(&gradients, operation, &from, &dy);
    }
    time_layer(pass, 0, GB_BACKWARD, &span);
}
