// SPDX-License-Identifier: MIT
// Status codes and messages of failures. Library code returns a status and leaves a message; only
// the program prints it.
#ifndef GB_STATUS_H
#define GB_STATUS_H

enum gb_status {
    GB_OK = 0,
    GB_CHECK_FAILED,   // a comparison or a check did not hold
    GB_BAD_INPUT,      // an option, a file or data are unusable
    GB_IO_ERROR,       // the system refused a read or a write
    GB_OUT_OF_MEMORY,  // an allocation failed
    GB_UNSUPPORTED,    // by this CPU, backend or build
    GB_NOT_COMPARABLE, // two results come from different machines or builds
    GB_INTERRUPTED,    // the user asked to stop; the state was saved
};

enum { GB_MESSAGE = 12288 }; // bytes of one at most: two long paths and what is wrong with them

// Leaves the message "WHAT: WHERE: WHY" for the calling thread and returns `status`, so that
// `return gb_fail(...)` is one statement. `what` names the action, `where` the file, field or
// option. The message is one line: '?' stands for control characters, and what is beyond GB_MESSAGE
// is cut.
enum gb_status gb_fail(enum gb_status status, const char *what, const char *where,
                       const char *why_format, ...) __attribute__((format(printf, 4, 5)));

// gb_fail with GB_OUT_OF_MEMORY and "out of memory".
enum gb_status gb_no_memory(const char *what, const char *where);

// Puts "WHAT: WHERE: " in front of the message of a failed call.
enum gb_status gb_fail_within(enum gb_status status, const char *what, const char *where);

// Leaves a message of another thread.
enum gb_status gb_fail_again(enum gb_status status, const char *message);

// The message left by the last gb_fail on this thread; "" if there was none. Valid until the next.
const char *gb_error_message(void);

// The process exit code for a status: 0 done, 1 a check failed, 2 bad usage or input, 3 not
// comparable; an interrupted run that was saved is 130 by the shell's convention.
int gb_exit_code(enum gb_status status);

// Passes a failure up.
#define GB_TRY(expression)                                                                         \
    do {                                                                                           \
        enum gb_status gb_try_status_ = (expression);                                              \
        if (gb_try_status_ != GB_OK)                                                               \
            return gb_try_status_;                                                                 \
    } while (0)

#endif
