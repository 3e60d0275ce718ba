// SPDX-License-Identifier: MIT
// What the files that hold layers share with the one that times them (bench/catalog/
// layer_benchmarks.c): a kind of layer is a struct of the parts of its life.
#ifndef GB_LAYERS_H
#define GB_LAYERS_H

#include <stddef.h>

#include "bench/catalog/layer_benchmarks.h"
#include "flows/models/cnf.h"
#include "flows/networks/network.h"
#include "kernels/trace.h"

// All numbers that any layer has.
struct gb_layer_shape {
    int n, h, w, c;           // variables
    int x_h, x_w, x_c;        // conditioning image
    int f, k;                 // channels of features; hidden ones of a coupling's network
    int d, e, outputs;        // channels, width and outputs of a conditioning network
    int steps, levels;        // of a flow
    int blocks, growth;       // of an RRDB network
    enum gb_cnf_kind variant; // of CNF's flow steps
};

struct gb_layer_state {
    const struct gb_benchmark *benchmark;
    const struct gb_layer_shape *shape;
    struct gb_params params; // blocks in the arena
    struct gb_builder builder;
    struct gb_pass pass;
    struct gb_adam adam;
    // Inputs, filled with normal numbers before `prepare`: image or features, variables, gradient.
    // Those that a layer lacks have no data.
    struct gb_tensor x, v, d;
    float *d_log_det; // ones
    double *log_det;
    void *own; // gb_layer.own_bytes of the kind
};

struct gb_layer {
    const char *name;
    struct gb_operation text; // its name and shape as text (kernels/operation.h); no kernels
    size_t own_bytes;
    enum gb_status (*plan)(struct gb_layer_state *state);
    void (*bind)(struct gb_layer_state *state, struct gb_arena *arena);
    void (*free)(struct gb_layer_state *state);
    enum gb_status (*prepare)(struct gb_layer_state *state);  // what runs but once; NULL: nothing
    void (*run[GB_DIRECTIONS])(struct gb_layer_state *state); // NULL: there is no such direction
    // What a check compares. A backward run's parameters are compared beside it.
    struct gb_tensor (*output)(const struct gb_layer_state *state, enum gb_direction direction);
};

// The kinds, ended by one without a name.
extern const struct gb_layer gb_cglow_layer_kinds[];
extern const struct gb_layer gb_cnf_layer_kinds[];

// An entry of gb_layer.text.sizes.
#define GB_LAYER_SIZE(letter, member, least)                                                       \
    { letter, offsetof(struct gb_layer_shape, member), least, GB_SIZE_LIMIT }

// n x h x w x c, and n x x_h x x_w x x_c, from the arena.
struct gb_tensor gb_layer_take_variables(const struct gb_layer_state *state,
                                         struct gb_arena *arena);
struct gb_tensor gb_layer_take_image(const struct gb_layer_state *state, struct gb_arena *arena);

// Normal numbers that depend on `stream` alone; the inputs above have 0 to 2. Nothing where the
// tensor has no data.
void gb_layer_fill(const struct gb_layer_state *state, const struct gb_tensor *tensor,
                   uint32_t stream);

// A model's layers, in the making.
struct gb_layer_calls {
    struct gb_layer_call *list;
    int count;
    bool incomplete; // memory ran out
};
// Adds the layer in all its directions; a step has no inverse, which counts for a sampling pass.
void gb_layer_calls_add(struct gb_layer_calls *calls, const struct gb_layer *layer,
                        const struct gb_layer_shape *shape, int count);
// Hands the list over. GB_OUT_OF_MEMORY where it is incomplete; then there is none.
enum gb_status gb_layer_calls_end(struct gb_layer_calls *calls, struct gb_layer_call **list,
                                  int *count);

// Those of each model that has any, with `batch` targets (gb_model_layers).
enum gb_status gb_cglow_layers(const void *config, int batch, struct gb_layer_call **list,
                               int *count);
enum gb_status gb_cnf_layers(const void *config, int batch, struct gb_layer_call **list,
                             int *count);

#endif
