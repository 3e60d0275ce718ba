// SPDX-License-Identifier: MIT
// Benchmarks of whole layers of c-Glow, as flows/ runs them:
//   layer/coupling_{forward,inverse,backward}/n2h16w16c12k256   the conditional coupling of n x h x
//       w x c variables with networks of k channels, the features of x given
//   layer/features_{forward,backward}/n2x32y32z3f16h16w16o6     its path from x (x x y x z) through
//       f channels to features at h x w of o channels
//   layer/rotation_{forward,inverse,backward}/n2h16w16c12       conditional actnorm and 1x1
//       convolution, their parameters given
//   layer/network_{forward,backward}/n2x32y32z3d64e128o24       a conditioning network of the latter
//       two: d channels, FC layers of e, o outputs
// Backward updates parameters by Adam at learning rate 0. FLOPs are those of convolutions, fully
// connected layers and mixes; bytes what the parameters (backward: with moments, read and written)
// and the layer's own input and output take. In a model a network on x is one job on one thread;
// here its kernels share the threads.
//
// Check: the scalar reference runs the same layer, and elements may differ by GB_CHECK_LAYER of the
// output's largest. Where the layer takes more than GB_CHECK_LAYER_FLOPS, two runs on the same
// input must agree as closely, and be finite.
#ifndef GB_LAYER_BENCHMARKS_H
#define GB_LAYER_BENCHMARKS_H

#include "bench/catalog/models.h"
#include "bench/runner/benchmark.h"

#define GB_CHECK_LAYER_FLOPS 0x1p31
#define GB_CHECK_LAYER 1e-4

// The layers of a c-Glow's training step: gb_cglow_family.layers.
enum gb_status gb_cglow_layers(const void *config, int batch, struct gb_layer_call **calls,
                               int *count);

// As gb_kernel_benchmark, for a layer.
enum gb_status gb_layer_benchmark(const char *text, struct gb_benchmark *benchmark);

#endif
