// SPDX-License-Identifier: MIT
// What moves bytes between the processes of a job. The one implementation, transport_mpi.c, is a
// module that is loaded only where an MPI launcher started the process: the program itself is not
// linked with MPI.
#ifndef GB_TRANSPORT_H
#define GB_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

// Between this rank and another. The ranks of a pair list their messages in the same order.
struct gb_message {
    int peer;
    bool sent; // else received
    void *data;
    size_t bytes;
};

enum { GB_HOST_NAME = 256 };
struct gb_transport_info {
    int rank, count;
    char host[GB_HOST_NAME], library[256];
};

// All functions are for the thread that called `begin`.
struct gb_transport {
    // NULL, or why not.
    const char *(*begin)(struct gb_transport_info *info);
    // Returns when all messages are sent and received.
    void (*exchange)(const struct gb_message *messages, int count);
    // Rank r contributes bytes offsets[r] to offsets[r + 1] of `data`; all ranks receive all of
    // them. false: not within this many seconds (0: without a limit); then only `abort` may follow.
    bool (*all_gather)(void *data, const size_t *offsets, double seconds);
    void (*abort)(int code); // ends all ranks
    void (*end)(void);
};

#define GB_TRANSPORT_SYMBOL "gb_mpi_transport"
extern const struct gb_transport gb_mpi_transport;

#endif
