/* fetch_module.c - one file over HTTPS by libcurl (a module of its own, so that nothing else loads it)
 *
 * A download that was cut off is gone on with by Range and If-Range: the server sends the rest if its file
 * is still the one that was begun, and else all of it, which shows in the status 200 instead of 206.
 * An https address is never left for http by a redirect; five of those are followed. Certificates are
 * checked, as libcurl does unless told otherwise. */
#include "zoo/fetch_module.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

typedef struct transfer {
    tmb__fetch *job;
    CURL *curl;
    int64_t done;
    int status;         /* why a callback ended it; 0: it did not */
    char tag[128];      /* of this answer */
    bool begun, entity; /* the first byte came; `tag` is an ETag, which counts before a date */
    time_t moved;       /* when the last bytes came */
} transfer;

static void stop(transfer *t, int status, const char *why)
{
    t->status = status;
    snprintf(t->job->why, sizeof t->job->why, "%s", why);
}

/* "ETag: value\r\n"; each answer of a redirect starts with a line "HTTP/...". */
static size_t on_header(char *line, size_t size, size_t n, void *user)
{
    static const char *const names[] = {"etag:", "last-modified:"};
    transfer *t = user;
    const size_t length = size * n;

    if (length >= 5 && memcmp(line, "HTTP/", 5) == 0) {
        t->tag[0] = '\0';
        t->entity = false;
    }
    for (int i = 0; i < 2; i++) {
        size_t from = strlen(names[i]), to = length;

        if (length <= from || strncasecmp(line, names[i], from) != 0 || (i && t->entity)) continue;
        while (from < to && line[from] == ' ')
            from++;
        while (to > from && (unsigned char)line[to - 1] <= ' ')
            to--;
        /* A weak tag may stand for other bytes: nothing can be gone on with by it. */
        if (to - from >= sizeof t->tag || (!i && line[from] == 'W')) continue;
        memcpy(t->tag, line + from, to - from);
        t->tag[to - from] = '\0';
        t->entity = !i;
    }
    return length;
}

/* What is there goes. */
static bool start_anew(transfer *t)
{
    t->done = 0;
    if (ftruncate(t->job->fd, 0) == 0 && lseek(t->job->fd, 0, SEEK_SET) == 0) return true;
    stop(t, TMB_EOUTPUT, strerror(errno));
    return false;
}

static bool begin(transfer *t)
{
    long code = 0;

    t->begun = true;
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &code);
    if (code != 206 && t->done > 0 && !start_anew(t)) return false;
    if (t->job->on_tag(t->job->user, t->tag) == 0) return true;
    stop(t, TMB_EOUTPUT, "its version could not be noted");
    return false;
}

static bool write_all(transfer *t, const char *bytes, size_t n)
{
    while (n > 0) {
        const ssize_t written = write(t->job->fd, bytes, n);

        if (written < 0 && errno != EINTR) {
            stop(t, TMB_EOUTPUT, strerror(errno));
            return false;
        }
        if (written <= 0) continue;
        bytes += written;
        n -= (size_t)written;
        t->done += written;
    }
    return true;
}

static time_t seconds_now(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* Any other number than that of the bytes ends the transfer. */
static size_t on_bytes(char *bytes, size_t size, size_t n, void *user)
{
    transfer *t = user;

    if (!t->begun && !begin(t)) return 0;
    if (t->done + (int64_t)(size * n) > t->job->most) {
        if (start_anew(t)) stop(t, TMB_ENETWORK, "it has more bytes than the file that is wanted");
        return 0;
    }
    if (!write_all(t, bytes, size * n)) return 0;
    t->moved = seconds_now();
    if (t->job->on_bytes(t->job->user, t->done) == 0) return size * n;
    stop(t, TMB_ESTOPPED, "stopped");
    return 0;
}

/* Asked about once a second, also while nothing comes. */
static int on_idle(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    transfer *t = user;

    (void)a, (void)b, (void)c, (void)d;
    if (t->job->on_bytes(t->job->user, t->done))
        stop(t, TMB_ESTOPPED, "stopped");
    else if ((double)(seconds_now() - t->moved) > t->job->timeout)
        stop(t, TMB_ENETWORK, "nothing came for too long");
    return t->status < 0;
}

static void set_up(transfer *t, struct curl_slist *headers)
{
    const char *protocols = strncmp(t->job->url, "http:", 5) == 0 ? "http,https" : "https";
    const long seconds = (long)(t->job->timeout < 1 ? 1 : t->job->timeout);

    curl_easy_setopt(t->curl, CURLOPT_URL, t->job->url);
    curl_easy_setopt(t->curl, CURLOPT_PROTOCOLS_STR, protocols);
    curl_easy_setopt(t->curl, CURLOPT_REDIR_PROTOCOLS_STR, protocols);
    curl_easy_setopt(t->curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(t->curl, CURLOPT_MAXREDIRS, 5L);
    curl_easy_setopt(t->curl, CURLOPT_FAILONERROR, 1L);
    curl_easy_setopt(t->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(t->curl, CURLOPT_CONNECTTIMEOUT, seconds);
    curl_easy_setopt(t->curl, CURLOPT_USERAGENT, "thimble");
    curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(t->curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(t->curl, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(t->curl, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(t->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(t->curl, CURLOPT_XFERINFOFUNCTION, on_idle);
    curl_easy_setopt(t->curl, CURLOPT_XFERINFODATA, t);
}

static CURLcode perform(transfer *t, char error[CURL_ERROR_SIZE])
{
    struct curl_slist *headers = NULL;
    char text[256];
    CURLcode code;

    if (t->done > 0) {
        snprintf(text, sizeof text, "Range: bytes=%lld-", (long long)t->done);
        headers = curl_slist_append(headers, text);
        snprintf(text, sizeof text, "If-Range: %s", t->job->tag);
        headers = curl_slist_append(headers, text);
    }
    set_up(t, headers);
    curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, error);
    code = curl_easy_perform(t->curl);
    curl_slist_free_all(headers);
    return code;
}

static int run(transfer *t)
{
    char error[CURL_ERROR_SIZE] = "";
    CURLcode code = perform(t, error);
    long answer = 0;

    /* 416: there is no such range of it. */
    curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &answer);
    if (answer == 416 && t->done > 0 && start_anew(t)) code = perform(t, error);
    if (t->status == 0 && code != CURLE_OK)
        stop(t, TMB_ENETWORK, error[0] ? error : curl_easy_strerror(code));
    return t->status;
}

int tmb_fetch(tmb__fetch *job)
{
    transfer t = {.job = job, .curl = curl_easy_init(), .done = job->from, .moved = seconds_now()};
    int status = TMB_ENOMEM;

    if (t.curl) status = run(&t);
    curl_easy_cleanup(t.curl);
    return status;
}
