// SPDX-License-Identifier: MIT
// The conditioning network of the conditional actnorm and the conditional 1x1 convolution (paper,
// Figure 5 left and appendix A.1): three strided convolutions that halve the image, three fully
// connected layers, a tanh at the end. It sees x alone, so a whole network is one job on one
// thread.
#ifndef GB_CONDITIONING_NET_H
#define GB_CONDITIONING_NET_H

#include "flows/networks/feed_forward.h"

enum { GB_FC_LAYERS = 3 };

struct gb_conditioning_net {
    int layer; // for profiles
    struct gb_feed_forward conv;
    struct gb_fc_layer fc[GB_FC_LAYERS];
    struct gb_tensor hidden[GB_FC_LAYERS]; // outputs of the FC layers, images x 1 x 1 x width
    int samples_per_x;
    // With training: only the output is kept. The other values belong to the caller
    // (gb_conditioning_net_move), and backward computes them again.
    bool recomputed;
    // The last of them, repeated for the samples of one x; and its gradient, with training, which
    // the layer that it conditions leaves there.
    struct gb_tensor output, d_output;
};

struct gb_conditioning_shape {
    int images, x_h, x_w, x_c; // x_h, x_w >= 8
    int samples_per_x;
    int n_c, n_w, outputs;
};

// Parameters under "NAME.conv." and "NAME.fc." after the builder's prefix. `live` selects the
// initialisation of all layers except the last.
enum gb_status gb_conditioning_net_plan(struct gb_conditioning_net *net, struct gb_builder *builder,
                                        const char *name, const struct gb_conditioning_shape *shape,
                                        bool live, struct gb_init last_weight,
                                        struct gb_init last_bias);
void gb_conditioning_net_bind(struct gb_conditioning_net *net, struct gb_arena *arena,
                              bool training, bool recomputed);
void gb_conditioning_net_free(struct gb_conditioning_net *net, const struct gb_backend *backend);

// Of a network that is recomputed: the floats that its forward and backward need next to the
// output, and where they are from now on. Networks that do not run at the same time may share them.
// A network that has values of its own keeps them.
size_t gb_conditioning_net_values(const struct gb_conditioning_net *net);
void gb_conditioning_net_move(struct gb_conditioning_net *net, float *values);

// x to the output; one job.
void gb_conditioning_net_forward(struct gb_conditioning_net *net, const struct gb_pass *pass,
                                 const struct gb_tensor *x);

// Spends d_output; one job. dx may be NULL. `workspace` holds gb_conditioning_net_workspace floats.
void gb_conditioning_net_backward(struct gb_conditioning_net *net, const struct gb_pass *pass,
                                  const struct gb_tensor *x, float *workspace,
                                  const struct gb_tensor *dx);
size_t gb_conditioning_net_workspace(const struct gb_conditioning_net *net);

#endif
