/* status.h - what every call returns, error text, log sink, version
 *
 * A call that can fail returns 0 or one of these negative codes; tmb_errmsg() then has the sentence.
 * The text is kept per thread and stays until that thread's next failing call. */
#ifndef THIMBLE_STATUS_H
#define THIMBLE_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TMB_API __attribute__((visibility("default")))

#define TMB_VERSION_MAJOR 0
#define TMB_VERSION_MINOR 1
#define TMB_VERSION_PATCH 0

#ifdef __cplusplus
extern "C" {
#endif

/* Results of calls. The program's exit codes follow from them one to one (tmb_status_exit). */
typedef enum tmb_status {
    TMB_OK = 0,
    TMB_EBUG = -1,          /* internal error, please report */
    TMB_EINVAL = -2,        /* wrong usage or argument */
    TMB_EDATA = -3,         /* folders, pictures or tables that cannot be used */
    TMB_EMODEL = -4,        /* model, weights, checkpoint or config refused */
    TMB_EOUTPUT = -5,       /* output could not be written or synced */
    TMB_ENOMEM = -6,        /* not enough memory, threads or descriptors */
    TMB_EDIVERGED = -7,     /* loss or gradient not finite; the last good weights are kept */
    TMB_EEXISTS = -8,       /* folder in use, or would overwrite */
    TMB_EDEVICE = -9,       /* device or ranks */
    TMB_ENETWORK = -10,     /* network or checksum */
    TMB_EGATE = -11,        /* a gate was not met */
    TMB_ESTOPPED = -12,     /* stopped on request, state saved */
    TMB_EUNSUPPORTED = -13, /* not supported by this device or build */
} tmb_status;

/* One English line on this thread's last failure: what and where; "" if none. Borrowed, valid until
 * this thread's next failing call. The detail (numbers, found and expected) and the hint may be "". */
TMB_API const char *tmb_errmsg(void);
TMB_API const char *tmb_errdetail(void);
TMB_API const char *tmb_errhint(void);

/* The exit code that `thimble` ends with for a status, and the status' meaning in words. */
TMB_API int tmb_status_exit(int status);
TMB_API const char *tmb_status_text(int status);

typedef enum tmb_log_level { TMB_ERROR, TMB_WARN, TMB_INFO, TMB_DEBUG, TMB_TRACE } tmb_log_level;

/* Where the library's log lines go; the library itself never prints. NULL (the start) drops them.
 * `sink` may be called from any thread. Set it before other calls. */
typedef void (*tmb_log_sink)(void *user, tmb_log_level level, const char *line);
TMB_API void tmb_log_set(tmb_log_sink sink, void *user, tmb_log_level most);

/* Give back what a call handed over as "owned by caller, tmb_free"; NULL is fine. */
TMB_API void tmb_free(void *p);

/* "0.1.0", and one line naming the libraries that were built in and found. */
TMB_API const char *tmb_version(void);
TMB_API const char *tmb_build_info(void);

#ifdef __cplusplus
}
#endif
#endif
