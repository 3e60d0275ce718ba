// SPDX-License-Identifier: MIT
// Calls one kernel: a 3x3 convolution with a fused ReLU, on the best backend of this CPU, or on the
// one that $GB_BACKEND names.
#include <stdio.h>
#include <stdlib.h>

#include "kernels/backend.h"

enum { SIZE = 8, INPUTS = 2, OUTPUTS = 4 };

static void fail(void) {
    fprintf(stderr, "convolve: %s\n", gb_error_message());
    exit(2);
}

static float *aligned_floats(size_t count) {
    return aligned_alloc(GB_ALIGNMENT, gb_round_up(count * sizeof(float) + 1, GB_ALIGNMENT));
}

int main(void) {
    const struct gb_backend *backend;
    if (gb_backend_find(NULL, &backend) != GB_OK)
        fail();

    // A plan fixes the algorithm, the layout of the weights and the scratch size, once for a shape.
    const struct gb_conv_problem problem = {.n = 1,
                                            .h = SIZE,
                                            .w = SIZE,
                                            .c = INPUTS,
                                            .k = OUTPUTS,
                                            .kernel_h = 3,
                                            .kernel_w = 3,
                                            .stride_h = 1,
                                            .stride_w = 1,
                                            .pad_h = 1,
                                            .pad_w = 1,
                                            .activation = GB_RELU};
    const int threads = 2;
    struct gb_conv_plan plan;
    if (backend->conv_plan(backend, &problem, threads, &plan) != GB_OK)
        fail();

    // Weights come in PyTorch's order, OIHW. Here output k is (k - 1) times the sum of the 3x3
    // neighbourhood over both input channels.
    float weights[OUTPUTS * INPUTS * 9];
    for (int i = 0; i < OUTPUTS * INPUTS * 9; i++)
        weights[i] = (float)(i / (INPUTS * 9) - 1);
    const size_t scratch_bytes = gb_conv_scratch_bytes(&plan, threads);
    float *packed = aligned_floats(plan.weight_floats),
          *scratch = aligned_floats(scratch_bytes / sizeof *scratch);
    if (!packed || !scratch)
        return 2;
    backend->conv_pack(&plan, weights, packed);

    // Tensors are views of the caller's memory, NHWC.
    float in[SIZE * SIZE * INPUTS], out[SIZE * SIZE * OUTPUTS];
    for (int i = 0; i < SIZE * SIZE * INPUTS; i++)
        in[i] = 1;
    const struct gb_tensor x = gb_dense(in, 1, SIZE, SIZE, INPUTS);
    const struct gb_tensor y = gb_dense(out, 1, SIZE, SIZE, OUTPUTS);
    const struct gb_exec exec = {
        .threads = threads, .scratch = scratch, .scratch_bytes = scratch_bytes};
    backend->conv_forward(&plan, &exec, &x, packed, &(struct gb_conv_epilogue){0}, &y);
    backend->conv_plan_free(&plan);
    free(packed);
    free(scratch);

    printf("%s: inner pixel", backend->name);
    const float *inner = gb_at(&y, 0, 3, 3), expected[OUTPUTS] = {0, 0, 18, 36};
    int wrong = 0;
    for (int k = 0; k < OUTPUTS; k++) {
        printf(" %g", (double)inner[k]);
        wrong += inner[k] != expected[k];
    }
    puts("");
    return wrong ? 1 : 0;
}
