// SPDX-License-Identifier: MIT
// A feed-forward network: a list of operations on slices, which are channels of buffers. Residual
// and dense connections are slices that several operations read, and a concatenation is a buffer
// that several write, so neither costs a copy. Values and gradients that are never needed at the
// same time share memory.
//
// With bf16 precision, values and their gradients are bf16, except the input, the outputs, what a
// normalisation or a bicubic upsampling touches, and what another operation than a convolution
// takes together with a float.
//
// Life cycle: begin, operations in the order in which they run, outputs, end (together the "plan"
// of the other layers); then bind, forward, backward, free. `end` reports what failed since
// `begin`.
#ifndef GB_FEED_FORWARD_H
#define GB_FEED_FORWARD_H

#include "flows/networks/network.h"

// Channels [first, first + count) of a buffer.
struct gb_slice {
    int buffer, first, count;
};

// Channels [first, first + count) of a slice.
static inline struct gb_slice gb_subslice(struct gb_slice slice, int first, int count) {
    assert(first >= 0 && count >= 1 && first + count <= slice.count);
    return (struct gb_slice){slice.buffer, slice.first + first, count};
}

// The gradients that backward computes.
enum gb_gradients {
    GB_GRADIENTS_NONE,       // no backward
    GB_GRADIENTS_PARAMETERS, // the input is data; tests may ask for its gradient
    GB_GRADIENTS_ALL,        // the input's too
};

enum { GB_MAX_OUTPUTS = 16 };

struct gb_feed_forward_buffer;
struct gb_feed_forward_operation;
struct gb_feed_forward_block;

struct gb_feed_forward {
    struct gb_builder *builder; // until the end
    enum gb_status status;
    int images;
    enum gb_gradients gradients; // of backward, which decides what values are kept
    int buffer_count, operation_count, output_count, block_count;
    struct gb_feed_forward_buffer *buffers; // the first is the input
    struct gb_feed_forward_operation **operations;
    struct gb_feed_forward_block *blocks; // of operations that backward runs again
    bool in_block;                        // while describing: the last of them is open
    struct gb_slice outputs[GB_MAX_OUTPUTS];
    float *values;           // value_floats of them
    size_t value_floats;     // of forward's values
    size_t workspace_floats; // of backward's gradients
    int layer;               // that the operations added from now on are timed as; 0: none
    size_t partial;          // of it, for one contribution to a gradient that has several
    size_t du;               // of it, after `partial`: for a gradient that is rounded to bf16
};

// The input, images x h x w x c.
struct gb_slice gb_feed_forward_begin(struct gb_feed_forward *net, struct gb_builder *builder,
                                      enum gb_gradients gradients, int images, int h, int w, int c);
// A new buffer.
struct gb_slice gb_feed_forward_buffer(struct gb_feed_forward *net, int h, int w, int c);

// Operations read slices that earlier ones wrote, and write what no other operation writes. With
// backward, the channels of a buffer before a slice that an operation reads must be read by a later
// operation.
//
// Functions that return a slice write into a new buffer.
//
// The spec's problem gives kernel, stride, padding and activation; sizes and `first` follow from
// the slices.
struct gb_slice gb_feed_forward_conv(struct gb_feed_forward *net, struct gb_conv_layer_spec spec,
                                     struct gb_slice from, int channels);
void gb_feed_forward_conv_into(struct gb_feed_forward *net, struct gb_conv_layer_spec spec,
                               struct gb_slice from, struct gb_slice to);
// Instance normalisation by each image's own moments.
struct gb_slice gb_feed_forward_norm(struct gb_feed_forward *net, enum gb_activation activation,
                                     struct gb_slice from);
// The largest of 2 x 2 pixels.
struct gb_slice gb_feed_forward_pool(struct gb_feed_forward *net, struct gb_slice from);
// Nearest neighbour, twice the size.
struct gb_slice gb_feed_forward_upsample(struct gb_feed_forward *net, struct gb_slice from);
void gb_feed_forward_upsample_into(struct gb_feed_forward *net, struct gb_slice from,
                                   struct gb_slice to);
// Bicubic upsampling to h x w, integer multiples (kernels/resample). Has no backward: only for a
// network's input that is data.
struct gb_slice gb_feed_forward_bicubic(struct gb_feed_forward *net, struct gb_slice from, int h,
                                        int w);
// to = x + factor * r.
void gb_feed_forward_residual(struct gb_feed_forward *net, struct gb_slice x, float factor,
                              struct gb_slice r, struct gb_slice to);

// Checkpointing, for builders that recompute. The operations from here to the next call, or to
// gb_feed_forward_keep, are a block. Of what was written before, they read `input` alone, outputs
// and the network's input. Forward keeps `input` instead of the block's values (copied if it is
// part of a buffer), and backward runs again those of its operations whose values it needs: the
// same kernels on the same operands, so that gradients are bitwise those of stored values.
void gb_feed_forward_recompute(struct gb_feed_forward *net, struct gb_slice input);
// Ends the block: the values of what follows are kept.
void gb_feed_forward_keep(struct gb_feed_forward *net);

// Makes a whole buffer an output; numbered from 0.
void gb_feed_forward_output(struct gb_feed_forward *net, struct gb_slice slice);

enum gb_status gb_feed_forward_end(struct gb_feed_forward *net);

// `values`: net->value_floats, 64-byte aligned, NULL while planning. Networks that do not run at
// the same time may share them; forward must then be repeated before backward.
void gb_feed_forward_bind(struct gb_feed_forward *net, struct gb_arena *arena, float *values);
// Moves the values to other memory; what they were is lost.
void gb_feed_forward_move(struct gb_feed_forward *net, float *values);
void gb_feed_forward_free(struct gb_feed_forward *net, const struct gb_backend *backend);

// Output `index`: a dense view into the values.
const struct gb_tensor *gb_feed_forward_value(const struct gb_feed_forward *net, int index);

void gb_feed_forward_forward(struct gb_feed_forward *net, const struct gb_pass *pass,
                             const struct gb_tensor *x);

// d_outputs: the gradient of every output, overwritten. `workspace`: net->workspace_floats, 64-byte
// aligned. dx: overwritten; may be NULL except with GB_GRADIENTS_ALL.
void gb_feed_forward_backward(struct gb_feed_forward *net, const struct gb_pass *pass,
                              const struct gb_tensor *x, const struct gb_tensor *d_outputs,
                              float *workspace, const struct gb_tensor *dx);

#endif
