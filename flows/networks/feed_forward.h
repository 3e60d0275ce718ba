// SPDX-License-Identifier: MIT
// A feed-forward network: a list of operations on places, which are channels of buffers. Residual
// and dense connections are places that several operations read, and a concatenation is a buffer
// that several write, so neither costs a copy. The list knows how long each value and each gradient
// is needed, and memory is shared accordingly.
//
// Its life: begin, operations in the order in which they run, outputs, end (all of this is the
// "plan" of the other layers); then bind, forward, backward, free. What fails between begin and end
// is reported by the end.
#ifndef GB_FEED_FORWARD_H
#define GB_FEED_FORWARD_H

#include "flows/networks/network.h"

// Channels [first, first + count) of a buffer.
struct gb_place {
    int buffer, first, count;
};

// Channels [first, first + count) of a place.
static inline struct gb_place gb_part(struct gb_place place, int first, int count) {
    assert(first >= 0 && count >= 1 && first + count <= place.count);
    return (struct gb_place){place.buffer, place.first + first, count};
}

// What backward is needed for.
enum gb_wanted {
    GB_WANTED_NOTHING,    // there is no backward
    GB_WANTED_PARAMETERS, // their gradients; the input is data, and its gradient is for tests
    GB_WANTED_ALL,        // the input's gradient too
};

enum { GB_MAX_OUTPUTS = 16 };

struct gb_feed_forward_buffer;
struct gb_feed_forward_operation;

struct gb_feed_forward {
    struct gb_builder *builder; // until the end
    enum gb_status status;
    int images;
    enum gb_wanted wanted; // of backward, for which values are kept
    int buffer_count, operation_count, output_count, buffer_capacity, operation_capacity;
    struct gb_feed_forward_buffer *buffers; // the first is the input
    struct gb_feed_forward_operation **operations;
    struct gb_place outputs[GB_MAX_OUTPUTS];
    size_t value_floats;     // of the values that forward leaves behind, or passes through
    size_t workspace_floats; // of backward's gradients
    size_t partial;          // of it, what one reader of a value that has several gives
};

// The input, images x h x w x c.
struct gb_place gb_feed_forward_begin(struct gb_feed_forward *net, struct gb_builder *builder,
                                      enum gb_wanted wanted, int images, int h, int w, int c);
// A new buffer.
struct gb_place gb_feed_forward_buffer(struct gb_feed_forward *net, int h, int w, int c);

// Operations read places that were written before and write what no other operation writes. The
// size of `to` is what the operation makes of `from`. Where backward is wanted, the channels before
// a place that an operation reads are read by a later one.
//
// The spec's problem gives kernel, stride, padding and activation; sizes and channels follow from
// the places, and so does `first`.
void gb_feed_forward_conv(struct gb_feed_forward *net, struct gb_conv_layer_spec spec,
                          struct gb_place from, struct gb_place to);
// Instance normalisation by each image's own moments.
void gb_feed_forward_norm(struct gb_feed_forward *net, enum gb_activation activation,
                          struct gb_place from, struct gb_place to);
// The largest of 2 x 2 pixels.
void gb_feed_forward_pool(struct gb_feed_forward *net, struct gb_place from, struct gb_place to);
// Nearest neighbour, twice the size.
void gb_feed_forward_upsample(struct gb_feed_forward *net, struct gb_place from,
                              struct gb_place to);
// Bicubic, to any whole multiple of the size (kernels/resample). Only of a net's input that is
// data: nothing passes a gradient back through it.
void gb_feed_forward_enlarge(struct gb_feed_forward *net, struct gb_place from, struct gb_place to);
// to = x + factor * r.
void gb_feed_forward_residual(struct gb_feed_forward *net, struct gb_place x, float factor,
                              struct gb_place r, struct gb_place to);

// Makes a whole buffer an output; numbered from 0.
void gb_feed_forward_output(struct gb_feed_forward *net, struct gb_place place);

enum gb_status gb_feed_forward_end(struct gb_feed_forward *net);

// `values`: net->value_floats, 64-byte aligned, NULL while the arena measures. Networks that do not
// run at the same time may share them; forward then has to run again before backward.
void gb_feed_forward_bind(struct gb_feed_forward *net, struct gb_arena *arena, float *values);
void gb_feed_forward_free(struct gb_feed_forward *net, const struct gb_backend *backend);

// Output `index`: a dense view into the values.
const struct gb_tensor *gb_feed_forward_value(const struct gb_feed_forward *net, int index);

void gb_feed_forward_forward(struct gb_feed_forward *net, const struct gb_pass *pass,
                             const struct gb_tensor *x);

// d_outputs: the gradient of every output, overwritten. `workspace`: net->workspace_floats, 64-byte
// aligned. dx: overwritten; may be NULL but for GB_WANTED_ALL.
void gb_feed_forward_backward(struct gb_feed_forward *net, const struct gb_pass *pass,
                              const struct gb_tensor *x, const struct gb_tensor *d_outputs,
                              float *workspace, const struct gb_tensor *dx);

#endif
