// SPDX-License-Identifier: MIT
// The fully connected layer on VDPBF16PS or BFDOT, bound by memory bandwidth: both passes stream
// the weights once, whatever the batch, two bytes each. Packed weights have a row for each pair of
// inputs, in x's memory order, and in it a pair for each output, padded to whole vectors:
// [input / 2][output][input % 2]. x and dy are rounded in scratch.
#include "base/minmax.h"
#include "kernels/adam/adam_inline.h"
#include "kernels/bf16/units.h"
#include "kernels/epilogue/activation.h"
#include "kernels/simd/simd.h"

// The micro-kernel: samples by vectors of outputs whose sums stay in registers.
enum { MR = GB_FC_MR, NR = GB_FC_NR };
static_assert(NR >= 4, "forward takes the remaining outputs by fours");
enum {
    ROWS_AHEAD = 16, // prefetched
    // Pairs of inputs whose weights for NR vectors of outputs, at most 128 KiB, stay in the
    // second-level cache for all samples.
    KC = 256,
    // Rows of weights that backward reads for dx, then updates: as many pairs as a vector has.
    BLOCK_PAIRS = GB_LANES,
    BLOCK_INPUTS = 2 * BLOCK_PAIRS,
    // Outputs whose gradient of a pair of inputs is summed between updates by Adam.
    SLICE_OUTPUTS = 64,
};

static size_t input_pairs(const struct gb_fc_problem *p) {
    return (gb_fc_inputs(p) + 1) / 2;
}
static size_t sample_pairs(const struct gb_fc_problem *p) {
    return ((size_t)p->n + 1) / 2;
}
static size_t padded_outputs(const struct gb_fc_problem *p) {
    return gb_round_up((size_t)p->k, GB_LANES);
}
// Of a sample's rounded x.
static size_t padded_inputs(const struct gb_fc_problem *p) {
    return gb_round_up(gb_fc_inputs(p), BLOCK_INPUTS);
}

// ---- Scratch, in bytes ----

static size_t rounded_x_bytes(const struct gb_fc_problem *p) {
    return (size_t)p->n * padded_inputs(p) * sizeof(gb_bf16);
}
// dy of a sample after another, and in pairs of samples.
static size_t output_pairs_bytes(const struct gb_fc_problem *p) {
    return (size_t)p->n * padded_outputs(p) * sizeof(gb_bf16);
}
static size_t dy_pairs_bytes(const struct gb_fc_problem *p) {
    return sample_pairs(p) * padded_outputs(p) * 2 * sizeof(gb_bf16);
}
// Of a block of inputs: x in pairs of samples, and the sums of dx, even inputs before odd ones.
static size_t block_x_bytes(const struct gb_fc_problem *p) {
    return sample_pairs(p) * BLOCK_INPUTS * 2 * sizeof(gb_bf16);
}
static size_t block_dx_bytes(const struct gb_fc_problem *p) {
    return (size_t)p->n * BLOCK_INPUTS * sizeof(float);
}

enum gb_status gb_bf16_dot_fc_plan(const struct gb_backend *backend,
                                   const struct gb_fc_problem *problem, int threads,
                                   struct gb_fc_plan *plan) {
    (void)backend, (void)threads;
    const size_t sums = (size_t)problem->n * padded_outputs(problem) * sizeof(float);
    *plan = (struct gb_fc_plan){
        .problem = *problem,
        .weight_floats = input_pairs(problem) * 2 * padded_outputs(problem),
        .thread_bytes = gb_round_up(block_x_bytes(problem) + block_dx_bytes(problem), GB_ALIGNMENT),
        .shared_bytes =
            gb_round_up(gb_max_size(rounded_x_bytes(problem) + sums,
                                    output_pairs_bytes(problem) + dy_pairs_bytes(problem)),
                        GB_ALIGNMENT),
    };
    return GB_OK;
}

void gb_bf16_dot_fc_plan_free(struct gb_fc_plan *plan) {
    (void)plan;
}

// Where weight number `index` of PyTorch's array is packed.
static size_t packed_index(const struct gb_fc_problem *p, size_t index) {
    const size_t w = (size_t)p->w, h = (size_t)p->h, c = (size_t)p->c;
    const size_t input = index % (c * h * w), output = index / (c * h * w);
    const size_t column = input % w, row = input / w % h, channel = input / w / h;
    const size_t position = (row * w + column) * c + channel;
    return (position / 2 * padded_outputs(p) + output) * 2 + position % 2;
}

void gb_bf16_dot_fc_pack(const struct gb_fc_plan *plan, const float *out_by_in, float *packed) {
    const struct gb_fc_problem *p = &plan->problem;
    memset(packed, 0, plan->weight_floats * sizeof *packed);
    for (size_t i = 0; i < gb_fc_inputs(p) * (size_t)p->k; i++)
        packed[packed_index(p, i)] = out_by_in[i];
}

void gb_bf16_dot_fc_unpack(const struct gb_fc_plan *plan, const float *packed, float *out_by_in) {
    const struct gb_fc_problem *p = &plan->problem;
    for (size_t i = 0; i < gb_fc_inputs(p) * (size_t)p->k; i++)
        out_by_in[i] = packed[packed_index(p, i)];
}

// Up to 2 * GB_LANES floats, of which `count` are read, rounded; zeros follow.
static gb_pairs rounded(const float *from, size_t count) {
    const size_t second = count > GB_LANES ? count - GB_LANES : 0;
    return gb_pairs_round(
        gb_v_load_part(from, (int)gb_min_size(count, GB_LANES)),
        gb_v_load_part(from + (second ? GB_LANES : 0), (int)gb_min_size(second, GB_LANES)));
}

// ---- Forward ----

struct forward {
    const struct gb_fc_plan *plan;
    const struct gb_tensor *x, *y;
    const gb_bf16 *weights;
    const float *bias;
    gb_bf16 *rounded_x; // a row of padded_inputs for each sample
    float *sums;        // over the blocks of KC so far
};

struct kc_block {
    size_t begin, end; // pairs of inputs
};

GB_INLINE void store_outputs(const struct forward *run, int sample, size_t at, gb_v sum) {
    const struct gb_fc_problem *p = &run->plan->problem;
    const size_t rest = (size_t)p->k - at;
    if (run->bias)
        sum += gb_v_load(run->bias + at);
    gb_v_store_part(gb_at(run->y, sample, 0, 0) + at, gb_v_activate(p->activation, sum),
                    rest < GB_LANES ? (int)rest : GB_LANES);
}

// Adds a block of inputs to the sums of `samples` by `vectors` of outputs.
GB_INLINE void forward_micro_kernel(const struct forward *run, int sample, int samples,
                                    size_t output, int vectors, const struct kc_block *k) {
    const struct gb_fc_problem *p = &run->plan->problem;
    const size_t row = padded_outputs(p), x_row = padded_inputs(p);
    const gb_bf16 *x = run->rounded_x + (size_t)sample * x_row;
    const gb_bf16 *w = run->weights + (k->begin * row + output) * 2;
    float *kept = run->sums + (size_t)sample * row + output;
    gb_v sum[MR][NR] = {0};
    for (int s = 0; k->begin > 0 && s < samples; s++)
        for (int v = 0; v < vectors; v++)
            sum[s][v] = gb_v_load(kept + (size_t)s * row + v * GB_LANES);
    for (size_t i = k->begin; i < k->end; i++, w += 2 * row)
        for (int v = 0; v < vectors; v++) {
            const gb_pairs wv = gb_pairs_load(w + v * 2 * GB_LANES);
            __builtin_prefetch(w + ROWS_AHEAD * 2 * row + v * 2 * GB_LANES);
            for (int s = 0; s < samples; s++)
                sum[s][v] =
                    gb_pairs_dot(sum[s][v], gb_pairs_set(x + (size_t)s * x_row + 2 * i), wv);
        }
    for (int s = 0; s < samples; s++)
        for (int v = 0; v < vectors; v++) {
            if (k->end == input_pairs(p))
                store_outputs(run, sample + s, output + (size_t)v * GB_LANES, sum[s][v]);
            else
                gb_v_store(kept + (size_t)s * row + v * GB_LANES, sum[s][v]);
        }
}

// Weights are the outer loop: samples outside would read them from memory for every MR.
GB_INLINE void forward_outputs(const struct forward *run, size_t output, int vectors) {
    const struct gb_fc_problem *p = &run->plan->problem;
    const size_t pairs = input_pairs(p), step = p->n > MR ? KC : pairs;
    for (size_t begin = 0; begin < pairs; begin += step) {
        const struct kc_block k = {begin, gb_min_size(begin + step, pairs)};
        int n = 0;
        for (; n + MR <= p->n; n += MR)
            forward_micro_kernel(run, n, MR, output, vectors, &k);
        for (; n < p->n; n++)
            forward_micro_kernel(run, n, 1, output, vectors, &k);
    }
}

static void round_inputs(const struct forward *run, struct gb_range blocks) {
    const struct gb_fc_problem *p = &run->plan->problem;
    const size_t inputs = gb_fc_inputs(p);
    for (int n = 0; n < p->n; n++)
        for (size_t i = blocks.begin * BLOCK_INPUTS; i < blocks.end * BLOCK_INPUTS;
             i += BLOCK_INPUTS)
            gb_pairs_store(
                run->rounded_x + (size_t)n * padded_inputs(p) + i,
                rounded(gb_at(run->x, n, 0, 0) + i, gb_min_size(inputs - i, BLOCK_INPUTS)));
}

static void forward_body(void *argument, int rank, int size) {
    const struct forward *run = argument;
    const struct gb_fc_problem *p = &run->plan->problem;
    round_inputs(run, gb_partition(padded_inputs(p) / BLOCK_INPUTS, rank, size));
    gb_barrier(size);
    const struct gb_range share = gb_partition(padded_outputs(p) / GB_LANES, rank, size);
    size_t v = share.begin;
    for (; v + NR <= share.end; v += NR)
        forward_outputs(run, v * GB_LANES, NR);
    for (; v + 4 <= share.end; v += 4)
        forward_outputs(run, v * GB_LANES, 4);
    for (; v < share.end; v++)
        forward_outputs(run, v * GB_LANES, 1);
}

void gb_bf16_dot_fc_forward(const struct gb_fc_plan *plan, const struct gb_exec *exec,
                            const struct gb_tensor *x, const void *packed, const float *bias,
                            const struct gb_tensor *y) {
    assert(gb_fc_operands_fit(plan, exec, x, y));
    struct forward run = {.plan = plan,
                          .x = x,
                          .y = y,
                          .weights = packed,
                          .bias = bias,
                          .rounded_x = exec->scratch,
                          .sums = gb_scratch(exec, rounded_x_bytes(&plan->problem))};
    gb_parallel(gb_threads_for(exec, plan->weight_floats), forward_body, &run);
}

// ---- Backward ----

struct backward {
    const struct gb_fc_plan *plan;
    const struct gb_exec *exec;
    const struct gb_tensor *x, *dx;
    const gb_bf16 *weights;
    gb_bf16 *output_pairs; // dy, a row of outputs for each sample
    gb_bf16 *dy_pairs;     // dy in pairs of samples: a row of outputs for each
    float *d_weights;
    const struct gb_adam_target *update;
};

struct block {
    size_t first, pairs; // of inputs
    gb_bf16 *x;          // in pairs of samples: BLOCK_INPUTS of them for each
    float *dx;           // BLOCK_PAIRS even inputs, then the odd ones, for each sample
};

// Packed as pairs of inputs, a square of the weights is transposed: a row for each output, of pairs
// of inputs.
static void transposed_weights(const struct backward *run, const struct block *block, size_t output,
                               float rows[GB_LANES * GB_LANES]) {
    const size_t row = padded_outputs(&run->plan->problem);
    const gb_bf16 *w = run->weights + (block->first * row + output) * 2;
    gb_bf16 last[BLOCK_PAIRS * 2 * GB_LANES] = {0};
    if (block->pairs == BLOCK_PAIRS) {
        gb_transpose((const float *)w, row, rows, GB_LANES);
        return;
    }
    for (size_t i = 0; i < block->pairs; i++)
        memcpy(last + i * 2 * GB_LANES, w + i * 2 * row, 2 * GB_LANES * sizeof *last);
    gb_transpose((const float *)last, GB_LANES, rows, GB_LANES);
}

// Adds up to GB_LANES outputs to dx of the block, all samples while their weights are in registers.
static void add_outputs(const struct backward *run, const struct block *block, size_t output) {
    const struct gb_fc_problem *p = &run->plan->problem;
    enum { PAIRS = GB_LANES / 2 };
    const size_t left = ((size_t)p->k - output + 1) / 2, pairs = gb_min_size(left, PAIRS);
    float rows[GB_LANES * GB_LANES];
    gb_pairs even[PAIRS], odd[PAIRS]; // inputs; pairs of outputs
    transposed_weights(run, block, output, rows);
    for (size_t i = 0; i < PAIRS; i++) {
        const gb_vi first = gb_v_bits(gb_v_load(rows + 2 * i * GB_LANES));
        const gb_vi second = gb_v_bits(gb_v_load(rows + (2 * i + 1) * GB_LANES));
        even[i] = (first & 0xffff) | second << 16;
        odd[i] = (first >> 16 & 0xffff) | (second & (int32_t)0xffff0000);
    }
    for (int n = 0; n < p->n; n++) {
        const gb_bf16 *dy = run->output_pairs + (size_t)n * padded_outputs(p) + output;
        float *sums = block->dx + (size_t)n * BLOCK_INPUTS;
        gb_v sum[2] = {gb_v_load(sums), gb_v_load(sums + BLOCK_PAIRS)};
        for (size_t i = 0; i < pairs; i++) {
            const gb_pairs d = gb_pairs_set(dy + 2 * i);
            sum[0] = gb_pairs_dot(sum[0], even[i], d);
            sum[1] = gb_pairs_dot(sum[1], odd[i], d);
        }
        gb_v_store(sums, sum[0]);
        gb_v_store(sums + BLOCK_PAIRS, sum[1]);
    }
}

static void input_gradients(const struct backward *run, const struct block *block) {
    const struct gb_fc_problem *p = &run->plan->problem;
    const size_t first = 2 * block->first;
    const size_t inputs = gb_min_size(gb_fc_inputs(p) - first, BLOCK_INPUTS);
    memset(block->dx, 0, block_dx_bytes(p));
    for (size_t o = 0; o < (size_t)p->k; o += GB_LANES)
        add_outputs(run, block, o);
    for (int n = 0; n < p->n; n++) {
        const float *sums = block->dx + (size_t)n * BLOCK_INPUTS;
        float in_order[BLOCK_INPUTS];
        gb_v_store_interleaved(in_order, gb_v_load(sums), gb_v_load(sums + BLOCK_PAIRS));
        memcpy(gb_at(run->dx, n, 0, 0) + first, in_order, inputs * sizeof *in_order);
    }
}

// Values of two samples, the second of them NULL after an odd number, as pairs.
static void pair_samples(const float *first, const float *second, size_t count, gb_bf16 *pairs) {
    const gb_v zero = {0};
    for (size_t i = 0; i < count; i += GB_LANES) {
        const int lanes = (int)gb_min_size(count - i, GB_LANES);
        gb_pairs_store(pairs + 2 * i, gb_pairs_interleave(gb_pairs_round(
                                          gb_v_load_part(first + i, lanes),
                                          second ? gb_v_load_part(second + i, lanes) : zero)));
    }
}

static void pair_inputs(const struct backward *run, const struct block *block) {
    const struct gb_fc_problem *p = &run->plan->problem;
    const size_t first = 2 * block->first;
    const size_t inputs = gb_min_size(gb_fc_inputs(p) - first, BLOCK_INPUTS);
    gb_bf16 *pairs = block->x;
    memset(pairs, 0, block_x_bytes(p));
    for (int n = 0; n < p->n; n += 2, pairs += 2 * BLOCK_INPUTS)
        pair_samples(gb_at(run->x, n, 0, 0) + first,
                     n + 1 < p->n ? gb_at(run->x, n + 1, 0, 0) + first : NULL, inputs, pairs);
}

// The gradient of a pair of inputs and outputs [begin, end): sums over samples of x times dy.
static void weight_gradient(const struct backward *run, const gb_bf16 *x, size_t begin, size_t end,
                            float *d) {
    const struct gb_fc_problem *p = &run->plan->problem;
    const size_t row = padded_outputs(p), pairs = sample_pairs(p);
    for (size_t o = begin; o < end; o += GB_LANES, d += 2 * GB_LANES) {
        const gb_bf16 *dy = run->dy_pairs + 2 * o;
        gb_v even = {0}, odd = {0}; // inputs
        for (size_t n = 0; n < pairs; n++) {
            const gb_pairs d_outputs = gb_pairs_load(dy + n * 2 * row);
            const gb_bf16 *inputs = x + n * 2 * BLOCK_INPUTS;
            even = gb_pairs_dot(even, gb_pairs_set(inputs), d_outputs);
            odd = gb_pairs_dot(odd, gb_pairs_set(inputs + 2), d_outputs);
        }
        gb_v_store_interleaved(d, even, odd);
    }
}

// The gradient of a block's weights: stored, or passed to Adam slice by slice.
static void weight_gradients(const struct backward *run, const struct block *block) {
    const size_t row = padded_outputs(&run->plan->problem);
    for (size_t i = 0; i < block->pairs; i++)
        for (size_t begin = 0; begin < row; begin += SLICE_OUTPUTS) {
            const size_t end = gb_min_size(begin + SLICE_OUTPUTS, row);
            const size_t at = ((block->first + i) * row + begin) * 2;
            float slice[2 * SLICE_OUTPUTS], *d = run->update ? slice : run->d_weights + at;
            weight_gradient(run, block->x + 4 * i, begin, end, d);
            if (run->update)
                gb_adam_update(run->update, at, 2 * (end - begin), d);
        }
}

static void backward_body(void *argument, int rank, int size) {
    const struct backward *run = argument;
    const struct gb_fc_problem *p = &run->plan->problem;
    const size_t pairs = input_pairs(p);
    char *scratch = gb_scratch(run->exec, (size_t)rank * run->plan->thread_bytes);
    const struct gb_range share = gb_partition((pairs + BLOCK_PAIRS - 1) / BLOCK_PAIRS, rank, size);
    for (size_t b = share.begin; b < share.end; b++) {
        const size_t first = b * BLOCK_PAIRS;
        const struct block block = {.first = first,
                                    .pairs = gb_min_size(pairs - first, BLOCK_PAIRS),
                                    .x = (gb_bf16 *)(scratch + block_dx_bytes(p)),
                                    .dx = (float *)scratch};
        if (run->dx)
            input_gradients(run, &block);
        pair_inputs(run, &block);
        weight_gradients(run, &block);
    }
}

// dy in both orders; padding outputs are zeros.
static void round_dy(const struct backward *run, const struct gb_tensor *dy) {
    const struct gb_fc_problem *p = &run->plan->problem;
    const size_t k = (size_t)p->k, row = padded_outputs(p);
    for (int n = 0; n < p->n; n++) {
        gb_bf16 *to = run->output_pairs + (size_t)n * row;
        const float *from = gb_at(dy, n, 0, 0);
        for (size_t o = 0; o < row; o += GB_LANES)
            gb_v_store_bf16(to + o, gb_v_load_part(from + o, (int)gb_min_size(k - o, GB_LANES)),
                            GB_LANES);
        if (n % 2 == 0)
            pair_samples(from, n + 1 < p->n ? gb_at(dy, n + 1, 0, 0) : NULL, k,
                         run->dy_pairs + (size_t)n * row);
    }
}

void gb_bf16_dot_fc_backward(const struct gb_fc_plan *plan, const struct gb_exec *exec,
                             const struct gb_tensor *x, const struct gb_tensor *dy, void *packed,
                             const struct gb_tensor *dx, float *d_packed,
                             const struct gb_adam_target *update) {
    assert(gb_fc_operands_fit(plan, exec, x, dy) &&
           (!dx || gb_fc_operands_fit(plan, exec, dx, dy)));
    assert(gb_fc_one_target(packed, d_packed, update));
    const int threads = gb_threads_for(exec, plan->weight_floats);
    char *shared = gb_scratch(exec, (size_t)threads * plan->thread_bytes);
    struct backward run = {.plan = plan,
                           .exec = exec,
                           .x = x,
                           .dx = dx,
                           .weights = packed,
                           .output_pairs = (gb_bf16 *)shared,
                           .dy_pairs = (gb_bf16 *)(shared + output_pairs_bytes(&plan->problem)),
                           .d_weights = d_packed,
                           .update = update};
    round_dy(&run, dy);
    gb_parallel(threads, backward_body, &run);
}
