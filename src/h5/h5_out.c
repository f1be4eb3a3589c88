/* h5_out.c - the records that thimble-h5 writes */
#include "h5/h5_program.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint8_t buffer[1 << 16];
static size_t used;
static uint64_t records;

/* Whoever reads the stream is gone, or says no: there is nobody to tell. */
static void write_all(const uint8_t *bytes, size_t n)
{
    while (n) {
        const ssize_t done = write(STDOUT_FILENO, bytes, n);

        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) _exit(1);
        bytes += done;
        n -= (size_t)done;
    }
}

static void flush(void)
{
    write_all(buffer, used);
    used = 0;
}

void out_bytes(const void *bytes, size_t n)
{
    if (n > sizeof buffer - used) flush();
    if (n > sizeof buffer) {
        write_all(bytes, n);
        return;
    }
    if (n) memcpy(buffer + used, bytes, n);
    used += n;
}

void out_u32(uint32_t value)
{
    const uint8_t b[4] = {
            (uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)};

    out_bytes(b, sizeof b);
}

void out_u64(uint64_t value)
{
    out_u32((uint32_t)value);
    out_u32((uint32_t)(value >> 32));
}

void out_text(const char *text, size_t n)
{
    out_u32((uint32_t)n);
    out_bytes(text, n);
}

void out_start(void)
{
    out_bytes(TMB_H5_MAGIC, 8);
}

void out_record(uint32_t kind, uint64_t body)
{
    out_u32(kind);
    out_u64(body);
    records++;
}

void out_end(void)
{
    const uint64_t n = records;

    out_record(TMB_H5_END, 8);
    out_u64(n);
    flush();
}

/* A refusal comes between records, never inside one. libhdf5 is not asked to close anything: three of
 * its known faults are in doing so. */
void out_refuse(const char *fmt, ...)
{
    char text[TMB_H5_SENTENCE_LIMIT];
    va_list args;
    size_t n;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    n = strlen(text);
    out_record(TMB_H5_REFUSED, 4 + n);
    out_text(text, n);
    flush();
    _exit(2);
}
