// SPDX-License-Identifier: MIT
// Where a pass of a model spends its time: each layer call inside it is timed, with the caches as
// the layers before left them. A model's plan lists its layers (gb_builder_begin_layer); a profile
// that is set as gb_model.profile adds up the calls of the passes that follow. Without one, a call
// costs two predictable branches.
#ifndef GB_PROFILE_H
#define GB_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"
#include "kernels/operation.h"

// A layer that is timed as one, with its networks. Layers may contain others.
struct gb_layer {
    char name[24];  // "coupling"
    char shape[72]; // "n2h16w16c12k256"
    bool minor;     // in profiles only; `bench` does not list it
    bool job;       // runs on one thread, next to other jobs on the other threads
    size_t floats;  // elements of its input and output
    // Parameters of its own, which Adam updates.
    size_t parameters;
};

struct gb_layers {
    struct gb_layer *list;
    int count;
};

// FLOPs are counted where the kernels are traced (gb_trace_thread_flops).
struct gb_layer_time {
    long calls;
    // Of a job on its thread; `inner`: of it, in layers that this one contains.
    double seconds, inner_seconds;
    double flops;
};

struct gb_profile;

// `layers` must outlive the profile. GB_OUT_OF_MEMORY.
enum gb_status gb_profile_create(const struct gb_layers *layers, struct gb_profile **profile);
void gb_profile_free(struct gb_profile *profile); // NULL is allowed

// Forgets all calls so far, e.g. after warm-up steps. No pass may be running.
void gb_profile_clear(struct gb_profile *profile);

// Calls of equal layers in one direction.
struct gb_profiled {
    char problem[128];     // NAME_DIRECTION/SHAPE: "coupling_forward/n2h16w16c12k256"
    struct gb_layer layer; // the first of them
    enum gb_direction direction;
    struct gb_layer_time time;
};
// Distinct problems in the order of the plan; *list is the caller's to free. GB_OUT_OF_MEMORY. No
// pass may be running.
enum gb_status gb_profile_list(const struct gb_profile *profile, struct gb_profiled **list,
                               int *count);

// The minimum traffic of a call: each parameter read once (backward: with Adam's moments, read and
// written), the layer's input and output moved once.
double gb_layer_bytes(const struct gb_layer *layer, enum gb_direction direction);
enum gb_traffic gb_layer_traffic(enum gb_direction direction);

// ---- For flows/ ----

// A call, on its caller's stack.
struct gb_layer_span {
    int layer; // as gb_builder_begin_layer numbers them; 0: not timed
    enum gb_direction direction;
    double start, inner_seconds, flops;
    struct gb_layer_span *outer;
};

// Calls nest, except in jobs.
void gb_profile_begin(struct gb_profile *profile, int layer, enum gb_direction direction,
                      struct gb_layer_span *span);
void gb_profile_end(struct gb_profile *profile, struct gb_layer_span *span);

static inline void gb_layer_begin(struct gb_profile *profile, int layer,
                                  enum gb_direction direction, struct gb_layer_span *span) {
    if (profile)
        gb_profile_begin(profile, layer, direction, span);
}
static inline void gb_layer_end(struct gb_profile *profile, struct gb_layer_span *span) {
    if (profile)
        gb_profile_end(profile, span);
}

#endif
