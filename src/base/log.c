/* log.c - log lines go to the caller's sink, or nowhere
 *
 * The sink is set before other calls and read by every thread after that, so it needs no lock. */
#include "base/base.h"

#include <stdio.h>

static struct {
    tmb_log_sink sink;
    void *user;
    tmb_log_level most;
} log_to;

void tmb_log_set(tmb_log_sink sink, void *user, tmb_log_level most)
{
    log_to.sink = sink;
    log_to.user = user;
    log_to.most = most;
}

void tmb__log(tmb_log_level level, const char *fmt, ...)
{
    char line[1024];
    va_list args;

    if (!log_to.sink || level > log_to.most) return;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    log_to.sink(log_to.user, level, line);
}
