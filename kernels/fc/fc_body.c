// SPDX-License-Identifier: MIT
// The fully connected layer, bound by memory bandwidth at the models' batch sizes: both passes
// stream the weights once, whatever the batch. Packed weights have a row of outputs for each input,
// in x's memory order, padded to whole vectors. As a product: M are samples, N outputs, K inputs.
#include "base/minmax.h"
#include "kernels/adam/adam_inline.h"
#include "kernels/backend.h"
#include "kernels/bf16/units.h"
#include "kernels/epilogue/activation.h"
#include "kernels/simd/simd.h"

// The micro-kernel: samples by vectors of outputs whose sums stay in registers.
enum { NR = GB_FC_NR, MR = GB_FC_MR };
static_assert(NR >= 4, "forward takes the remaining outputs by fours");
enum {
    // Floats of the gradient between updates by Adam. In a short slice the sums hide behind Adam's
    // divisions and its waits for memory: 430 instead of 510 us for 4096 to 128 on one core.
    SLICE_FLOATS = 128,
    ROWS_AHEAD = 16, // prefetched: 30 instead of 24 GB/s on one core
    // Inputs whose weights for NR vectors of outputs, at most 128 KiB, stay in the second-level
    // cache for all samples.
    KC = 256,
};

static size_t row_floats(const struct gb_fc_problem *p) {
    return gb_round_up((size_t)p->k, GB_LANES);
}

static size_t rows_per_slice(const struct gb_fc_problem *p) {
    size_t rows = SLICE_FLOATS / row_floats(p);
    return rows < 1 ? 1 : rows;
}

enum gb_status GB_NAME(gb_fc_plan)(const struct gb_backend *backend,
                                   const struct gb_fc_problem *problem, int threads,
                                   struct gb_fc_plan *plan) {
    if (problem->bf16)
        return gb_bf16_fc_plan(backend, problem, threads, plan);
    GB_TRY(gb_problem_check(&gb_fc_operation, problem));
    *plan = (struct gb_fc_plan){
        .problem = *problem,
        .weight_floats = gb_fc_inputs(problem) * row_floats(problem),
        .thread_bytes = gb_round_up(rows_per_slice(problem) * row_floats(problem) * sizeof(float),
                                    GB_ALIGNMENT),
        // dy, or forward's sums between blocks of KC, rows padded to whole vectors
        .shared_bytes =
            gb_round_up((size_t)problem->n * row_floats(problem) * sizeof(float), GB_ALIGNMENT),
    };
    return GB_OK;
}

void GB_NAME(gb_fc_plan_free)(struct gb_fc_plan *plan) {
    GB_BF16_ROUTE(fc_plan_free, plan);
}

// Where weight number `index` of PyTorch's array is packed.
static size_t packed_index(const struct gb_fc_problem *p, size_t index) {
    size_t w = (size_t)p->w, h = (size_t)p->h, c = (size_t)p->c;
    size_t input = index % (c * h * w), output = index / (c * h * w);
    size_t column = input % w, row = input / w % h, channel = input / w / h;
    return ((row * w + column) * c + channel) * row_floats(p) + output;
}

void GB_NAME(gb_fc_pack)(const struct gb_fc_plan *plan, const float *out_by_in, float *packed) {
    GB_BF16_ROUTE(fc_pack, plan, out_by_in, packed);
    const struct gb_fc_problem *p = &plan->problem;
    memset(packed, 0, plan->weight_floats * sizeof *packed);
    for (size_t i = 0; i < gb_fc_inputs(p) * (size_t)p->k; i++)
        packed[packed_index(p, i)] = out_by_in[i];
}

void GB_NAME(gb_fc_unpack)(const struct gb_fc_plan *plan, const float *packed, float *out_by_in) {
    GB_BF16_ROUTE(fc_unpack, plan, packed, out_by_in);
    const struct gb_fc_problem *p = &plan->problem;
    for (size_t i = 0; i < gb_fc_inputs(p) * (size_t)p->k; i++)
        out_by_in[i] = packed[packed_index(p, i)];
}

struct run {
    const struct gb_fc_plan *plan;
    const struct gb_exec *exec;
    const struct gb_tensor *x, *y, *dx;
    const float *weights, *bias;
    float *dy;   // dense, rows padded to whole vectors
    float *sums; // over the blocks of KC so far, as dy
    float *d_weights;
    const struct gb_adam_target *update;
};

struct kc_block {
    size_t begin, end; // inputs
};

GB_INLINE void store_outputs(const struct run *run, int sample, size_t at, gb_v sum) {
    const struct gb_fc_problem *p = &run->plan->problem;
    const size_t rest = (size_t)p->k - at;
    if (run->bias)
        sum += gb_v_load(run->bias + at);
    gb_v_store_part(gb_at(run->y, sample, 0, 0) + at, gb_v_activate(p->activation, sum),
                    rest < GB_LANES ? (int)rest : GB_LANES);
}

// Adds a block of inputs to the sums of `samples` by `vectors` of outputs.
GB_INLINE void forward_micro_kernel(const struct run *run, int sample, int samples, size_t output,
                                    int vectors, const struct kc_block *k) {
    const struct gb_fc_problem *p = &run->plan->problem;
    const size_t row = row_floats(p);
    const float *x = gb_at(run->x, sample, 0, 0), *w = run->weights + k->begin * row + output;
    float *kept = run->sums + (size_t)sample * row + output;
    gb_v sum[MR][NR] = {0};
    for (int s = 0; k->begin > 0 && s < samples; s++)
        for (int v = 0; v < vectors; v++)
            sum[s][v] = gb_v_load(kept + (size_t)s * row + v * GB_LANES);
    for (size_t i = k->begin; i < k->end; i++, w += row)
        for (int v = 0; v < vectors; v++) {
            gb_v wv = gb_v_load(w + v * GB_LANES);
            __builtin_prefetch(w + ROWS_AHEAD * row + v * GB_LANES);
            for (int s = 0; s < samples; s++)
                sum[s][v] = gb_v_fma(gb_v_set(x[s * run->x->image + (ptrdiff_t)i]), wv, sum[s][v]);
        }
    for (int s = 0; s < samples; s++)
        for (int v = 0; v < vectors; v++) {
            if (k->end == gb_fc_inputs(p))
                store_outputs(run, sample + s, output + (size_t)v * GB_LANES, sum[s][v]);
            else
                gb_v_store(kept + (size_t)s * row + v * GB_LANES, sum[s][v]);
        }
}

// With samples as the outer loop every MR of them would read the weights from memory: c-Glow's
// training step at 32 with batches of 8 takes 2 to 3 % longer that way.
GB_INLINE void forward_outputs(const struct run *run, size_t output, int vectors) {
    const struct gb_fc_problem *p = &run->plan->problem;
    const size_t inputs = gb_fc_inputs(p), step = p->n > MR ? KC : inputs;
    for (size_t begin = 0; begin < inputs; begin += step) {
        const struct kc_block k = {begin, gb_min_size(begin + step, inputs)};
        int n = 0;
        for (; n + MR <= p->n; n += MR)
            forward_micro_kernel(run, n, MR, output, vectors, &k);
        for (; n < p->n; n++)
            forward_micro_kernel(run, n, 1, output, vectors, &k);
    }
}

static void forward_body(void *argument, int rank, int size) {
    const struct run *run = argument;
    const struct gb_range share =
        gb_partition(row_floats(&run->plan->problem) / GB_LANES, rank, size);
    size_t v = share.begin;
    for (; v + NR <= share.end; v += NR)
        forward_outputs(run, v * GB_LANES, NR);
    for (; v + 4 <= share.end; v += 4)
        forward_outputs(run, v * GB_LANES, 4);
    for (; v < share.end; v++)
        forward_outputs(run, v * GB_LANES, 1);
}

void GB_NAME(gb_fc_forward)(const struct gb_fc_plan *plan, const struct gb_exec *exec,
                            const struct gb_tensor *x, const void *packed, const float *bias,
                            const struct gb_tensor *y) {
    GB_BF16_ROUTE(fc_forward, plan, exec, x, packed, bias, y);
    assert(gb_fc_operands_fit(plan, exec, x, y));
    struct run run = {.plan = plan,
                      .exec = exec,
                      .x = x,
                      .y = y,
                      .weights = packed,
                      .bias = bias,
                      .sums = exec->scratch};
    gb_parallel(gb_threads_for(exec, plan->weight_floats), forward_body, &run);
}

// The product of a row of weights and a row of dy, its lanes not yet added.
static gb_v products(const float *a, const float *b, size_t floats) {
    gb_v sum[2] = {0};
    size_t i = 0;
    for (; i + 2 * GB_LANES <= floats; i += 2 * GB_LANES) {
        sum[0] = gb_v_fma(gb_v_load(a + i), gb_v_load(b + i), sum[0]);
        sum[1] = gb_v_fma(gb_v_load(a + i + GB_LANES), gb_v_load(b + i + GB_LANES), sum[1]);
    }
    if (i < floats)
        sum[0] = gb_v_fma(gb_v_load(a + i), gb_v_load(b + i), sum[0]);
    return sum[0] + sum[1];
}

// dx of at most GB_LANES inputs of one sample, from the lanes of their products. They are added for
// all inputs at once, as rows of their transpose: a sum across the lanes of one vector takes longer
// than its products.
static gb_v sums_of_lanes(const float *lanes) {
    float rows[GB_LANES * GB_LANES];
    gb_v sum[2] = {0};
    gb_transpose(lanes, GB_LANES, rows, GB_LANES);
    for (size_t lane = 0; lane < GB_LANES; lane += 2) {
        sum[0] += gb_v_load(rows + lane * GB_LANES);
        sum[1] += gb_v_load(rows + (lane + 1) * GB_LANES);
    }
    return sum[0] + sum[1];
}

// All samples use a row of weights while it is in cache.
static void input_gradients(const struct run *run, int sample, int samples, size_t first,
                            size_t count) {
    size_t row = row_floats(&run->plan->problem);
    const float *dy = run->dy + (size_t)sample * row;
    float lanes[MR][GB_LANES * GB_LANES] = {0};
    for (size_t i = 0; i < count; i++)
        for (int s = 0; s < samples; s++)
            gb_v_store(lanes[s] + i * GB_LANES,
                       products(run->weights + (first + i) * row, dy + (size_t)s * row, row));
    for (int s = 0; s < samples; s++)
        gb_v_store_part(gb_at(run->dx, sample + s, 0, 0) + first, sums_of_lanes(lanes[s]),
                        (int)count);
}

// The gradient of one input's weights: the sum over samples of x times dy.
static void weight_row(const struct run *run, size_t input, float *d) {
    // Copies: the compiler takes the stores to d for stores to what `run` points to.
    const int samples = run->plan->problem.n;
    const size_t row = row_floats(&run->plan->problem);
    const ptrdiff_t image = run->x->image;
    const float *x = gb_at(run->x, 0, 0, 0) + input, *dy = run->dy;
    for (size_t o = 0; o < row; o += GB_LANES) {
        gb_v sum = {0};
        for (int n = 0; n < samples; n++)
            sum = gb_v_fma(gb_v_set(x[n * image]), gb_v_load(dy + (size_t)n * row + o), sum);
        gb_v_store(d + o, sum);
    }
}

// The gradient of the weights of inputs [first, end): stored, or passed to Adam slice by slice.
static void weight_rows(const struct run *run, size_t first, size_t end, float *slice) {
    const struct gb_adam_target *update = run->update;
    size_t row = row_floats(&run->plan->problem), step = rows_per_slice(&run->plan->problem);
    for (size_t i = first, rows; i < end; i += rows) {
        rows = i + step < end ? step : end - i;
        float *d = update ? slice : run->d_weights + i * row;
        for (size_t r = 0; r < rows; r++)
            weight_row(run, i + r, d + r * row);
        if (update)
            gb_adam_update(update, i * row, rows * row, d);
    }
}

static void backward_body(void *argument, int rank, int size) {
    const struct run *run = argument;
    const struct gb_fc_problem *p = &run->plan->problem;
    float *slice = gb_scratch(run->exec, (size_t)rank * run->plan->thread_bytes);
    struct gb_range share = gb_partition(gb_fc_inputs(p), rank, size);
    for (size_t i = share.begin, end; i < share.end; i = end) {
        end = i + GB_LANES < share.end ? i + GB_LANES : share.end;
        for (int n = 0, samples; run->dx && n < p->n; n += samples) {
            samples = n + MR <= p->n ? MR : p->n - n;
            input_gradients(run, n, samples, i, end - i);
        }
        weight_rows(run, i, end, slice);
    }
}

void GB_NAME(gb_fc_backward)(const struct gb_fc_plan *plan, const struct gb_exec *exec,
                             const struct gb_tensor *x, const struct gb_tensor *dy, void *packed,
                             const struct gb_tensor *dx, float *d_packed,
                             const struct gb_adam_target *update) {
    GB_BF16_ROUTE(fc_backward, plan, exec, x, dy, packed, dx, d_packed, update);
    assert(gb_fc_operands_fit(plan, exec, x, dy) &&
           (!dx || gb_fc_operands_fit(plan, exec, dx, dy)));
    assert(gb_fc_one_target(packed, d_packed, update));
    int threads = gb_threads_for(exec, plan->weight_floats);
    size_t k = (size_t)plan->problem.k, row = row_floats(&plan->problem);
    struct run run = {.plan = plan, .exec = exec, .x = x, .dx = dx, .weights = packed};
    run.dy = gb_scratch(exec, (size_t)threads * plan->thread_bytes);
    run.d_weights = d_packed;
    run.update = update;
    for (int n = 0; n < plan->problem.n; n++) {
        memcpy(run.dy + (size_t)n * row, gb_at(dy, n, 0, 0), k * sizeof *run.dy);
        memset(run.dy + (size_t)n * row + k, 0, (row - k) * sizeof *run.dy);
    }
    gb_parallel(threads, backward_body, &run);
}
