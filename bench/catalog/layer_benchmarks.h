// SPDX-License-Identifier: MIT
// Benchmarks of whole layers, as flows/ runs them. c-Glow's:
//   layer/coupling_{forward,inverse,backward}/n2h16w16c12k256   the conditional coupling of n x h x
//       w x c variables with networks of k channels, the features of x given
//   layer/features_{forward,backward}/n2x32y32z3f16h16w16o6     its path from x (x x y x z) through
//       f channels to features at h x w of o channels
//   layer/rotation_{forward,inverse,backward}/n2h16w16c12       conditional actnorm and 1x1
//       convolution, their parameters given
//   layer/network_{forward,backward}/n2x32y32z3d64e128o24       a conditioning network of these
//       two: d channels, FC layers of e, o outputs
// CNF's, with features of f channels and networks of k ("softplus" as for super-resolution,
// "additive" as for segmentation):
//   layer/feature_coupling_{forward,inverse,backward}/n8h16w16c12f128k512softplus   a coupling
//   layer/steps_{forward,inverse,backward}/n8h16w16c12f128k512s8softplus   the s steps of a level:
//       normalisation, 1x1 convolution and coupling
//   layer/dequantiser_{forward,backward}/n2h592w576c1f32k32s2additive   of a mask, by s steps
//   layer/rrdb_{forward,backward}/n8x16y16z3b16g32f128   the feature network of b blocks of dense
//       convolutions that add g channels each
//   layer/vgg_{forward,backward}/n2x592y576z3l2f32   the feature network of l levels
// Backward updates parameters by Adam at learning rate 0. FLOPs are those of convolutions, fully
// connected layers and mixes; bytes what the parameters (backward: with moments, read and written)
// and the layer's own input and output take. In a model a network on x is one job on one thread;
// here its kernels share the threads.
//
// Check: the scalar reference runs the same layer, and elements may differ by GB_CHECK_LAYER of the
// output's largest; gradients of their parameter's largest, or of GB_CHECK_LEAST of all parameters'
// largest where that is more (a bias before a normalisation has a gradient of nothing but
// rounding). Where the layer takes more than GB_CHECK_LAYER_FLOPS, the reference is another native
// backend (gb_backend_other), which is nearly as fast unless there is none but scalar.
#ifndef GB_LAYER_BENCHMARKS_H
#define GB_LAYER_BENCHMARKS_H

#include "bench/catalog/models.h"
#include "bench/runner/benchmark.h"

#define GB_CHECK_LAYER_FLOPS 0x1p31
#define GB_CHECK_LAYER 1e-4
#define GB_CHECK_LEAST 1e-2

// A problem of this kind, and how often a training step has it.
struct gb_layer_call {
    char text[GB_PROBLEM];
    int count;
};

// The distinct layers of a model's training step; *calls is the caller's to free. None of a model
// that is one network: its kernels are all there is.
enum gb_status gb_model_layers(const struct gb_model_case *model, struct gb_layer_call **calls,
                               int *count);

// As gb_kernel_benchmark, for a layer.
enum gb_status gb_layer_benchmark(const char *text, struct gb_benchmark *benchmark);

#endif
