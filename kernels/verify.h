// SPDX-License-Identifier: MIT
// Runs of a kernel on synthetic data, checked against its definition: what the check before timing
// and the kernel tests share. All of it follows from the operation's description
// (kernels/operation.h); the caller brings the memory, in any layout.
//
//     gb_call_size(&call);                    the plan is made; shapes are known now
//     ... memory for each operand with elements, as gb_operand_floats says, and scratch
//     GB_TRY(gb_call_fill(&call));
//     gb_kernel_of(&call)->call(&call);
//     GB_TRY(gb_call_check(&call, ...));
#ifndef GB_VERIFY_H
#define GB_VERIFY_H

#include "kernels/operation.h"

// Sets every operand to a dense view of its dimensions without data; c = 0 where the call's problem
// does without it. Packed ones are a row of their packed floats.
void gb_call_size(struct gb_call *call);

// Floats that the operand's memory takes, padding included; doubles count two.
size_t gb_operand_floats(const struct gb_call *call, int operand);

// True for packed weights of bf16: halves (kernels/bf16/bf16.h), in the memory of as many floats.
bool gb_operand_is_split(const struct gb_call *call, int operand);

// The input whose memory this output may take over, by its index in in_place_of; -1: there is
// none, or the problem does without it.
int gb_in_place_of(const struct gb_call *call, int operand, int choice);

// Fills inputs, operands that are updated in place, and sums, by call->numbers and call->seed:
// values do not depend on layout, backend or threads. Other outputs are left alone.
// GB_OUT_OF_MEMORY.
enum gb_status gb_call_fill(const struct gb_call *call);

// After one run on freshly filled operands: compares outputs and sums with the kernel's definition,
// each element within `slack` times its bound, and the padding of rows of channels with zero. A
// fused update is compared, bitwise, with Adam on the gradient that the same backend stores, and
// its other outputs with those of that run; that gradient is compared with its definition. Where
// all elements of an output would read more than `budget` elements of others, a fixed sample of it
// is checked, evenly spread, with the last element. GB_CHECK_FAILED with a message that names
// problem, backend, threads and the worst element; GB_OUT_OF_MEMORY.
enum gb_status gb_call_check(const struct gb_call *call, double slack, double budget);

// "conv/forward/n2h16w16...", and GB_CHECK_FAILED for an element ("[n, y, x, c]") of an operand.
enum { GB_CALL_TEXT = GB_PROBLEM_TEXT + 64 };
void gb_call_print(const struct gb_call *call, char text[static GB_CALL_TEXT]);
enum gb_status gb_call_differs(const struct gb_call *call, const char *operand, const int at[4],
                               double got, double want, double bound);

#endif
