/* test_weights_store.c - the folder of weights, and downloads from a server of the test's own
 *
 * The server is a child process on 127.0.0.1 whose answer depends on the first part of the path. */
#include "test.h"
#include "zoo/zoo.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SIZE = 50000, HALF = 20000 };

/* ---- the server ---- */

static void content(char *bytes)
{
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (char)('a' + (i * 7 + i / 26) % 26);
}

static void put(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        const ssize_t done = send(fd, bytes, n, MSG_NOSIGNAL);

        if (done <= 0) return;
        bytes += done;
        n -= (size_t)done;
    }
}

static void head(int fd, const char *status, long length, const char *more)
{
    char text[512];

    snprintf(text, sizeof text,
            "HTTP/1.1 %s\r\nContent-Length: %ld\r\nETag: \"one\"\r\nConnection: close\r\n%s\r\n",
            status, length, more);
    put(fd, text, strlen(text));
}

static bool asks(const char *request, const char *what)
{
    return strncmp(request + 4, what, strlen(what)) == 0;
}

/* /cut gives the first part only, unless it is asked for the rest of the same version; /changed was cut
 * off once and is another version now. */
static void answer(int fd, const char *request)
{
    static char bytes[2 * SIZE];
    const char *range = strstr(request, "Range: bytes=");
    const long from = range ? atol(range + 13) : 0;
    const bool same = strstr(request, "If-Range: \"one\"") != NULL;
    char text[64];

    content(bytes);
    if (asks(request, "/wrong/")) bytes[123] = '!';
    if (asks(request, "/missing/")) {
        head(fd, "404 Not Found", 0, "");
    } else if (asks(request, "/loop/")) {
        head(fd, "302 Found", 0, "Location: /loop/toy.h5\r\n");
    } else if (asks(request, "/moved/")) {
        head(fd, "302 Found", 0, "Location: /whole/toy.h5\r\n");
    } else if (asks(request, "/file/")) {
        head(fd, "302 Found", 0, "Location: file:///etc/passwd\r\n");
    } else if (asks(request, "/html/")) {
        head(fd, "200 OK", 30, "");
        put(fd, "<html><body>Please log in</bod", 30);
    } else if (asks(request, "/long/")) {
        head(fd, "200 OK", 2 * SIZE, "");
        put(fd, bytes, 2 * SIZE);
    } else if (asks(request, "/gone/") && from > 0) {
        head(fd, "416 Range Not Satisfiable", 0, "");
    } else if (asks(request, "/cut/") && from > 0 && same) {
        snprintf(text, sizeof text, "Content-Range: bytes %ld-%d/%d\r\n", from, SIZE - 1, SIZE);
        head(fd, "206 Partial Content", SIZE - from, text);
        put(fd, bytes + from, (size_t)(SIZE - from));
    } else {
        head(fd, "200 OK", SIZE, "");
        put(fd, bytes,
                asks(request, "/cut/") || asks(request, "/stall/") ? (size_t)HALF : (size_t)SIZE);
        if (asks(request, "/stall/")) sleep(20);
    }
}

static void serve(int listener)
{
    for (;;) {
        const int fd = accept(listener, NULL, NULL);
        char request[4096] = "";
        size_t n = 0;

        while (fd >= 0 && n < sizeof request - 1 && !strstr(request, "\r\n\r\n")) {
            const ssize_t more = recv(fd, request + n, sizeof request - 1 - n, 0);

            if (more <= 0) break;
            n += (size_t)more;
        }
        if (n) answer(fd, request);
        if (fd >= 0) close(fd);
    }
}

typedef struct place {
    pid_t server;
    char url[64], folder[512];
    tmb_zoo_file file;
    char md5[33];
} place;

/* A file of the table's kind, and the server that has it. */
static place open_place(void)
{
    static char bytes[SIZE];
    place p = {
            .file = {.name = "toy", .file = "toy.h5", .url = "https://127.0.0.1:1", .size = SIZE}};
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    tmb__digests digests;

    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
    snprintf(p.url, sizeof p.url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    p.server = fork();
    if (p.server == 0) serve(listener);
    close(listener);
    setenv("no_proxy", "*", 1);
    content(bytes);
    test_write(test_temp("toy.h5"), bytes, SIZE);
    assert_ok(tmb__file_digests(&digests, test_temp("toy.h5"), TMB_EDATA));
    memcpy(p.md5, digests.md5, sizeof p.md5);
    snprintf(p.folder, sizeof p.folder, "%s", test_temp("cache/weights"));
    return p;
}

static void close_place(const place *p)
{
    kill(p->server, SIGKILL);
    waitpid(p->server, NULL, 0);
}

static int fetch_from(place *p, const char *where)
{
    char url[128];
    tmb_zoo_store store = {.folder = p->folder, .url = url, .timeout = 0.5};
    int status;

    snprintf(url, sizeof url, "%s/%s", p->url, where);
    p->file.md5 = p->md5;
    status = tmb__zoo_fetch_file(&p->file, &store);
    if (status == TMB_EUNSUPPORTED) {
        close_place(p);
        SKIP("built without libcurl");
    }
    return status;
}

static const char *in_folder(const place *p, const char *name)
{
    static char path[1024];

    snprintf(path, sizeof path, "%s/%s", p->folder, name);
    return path;
}

static void require_whole(const place *p)
{
    char bytes[SIZE];
    tmb__bytes found;

    content(bytes);
    assert_ok(tmb__file_read(&found, in_folder(p, "toy.h5"), SIZE, TMB_EDATA));
    assert_int_equal(found.size, SIZE);
    assert_memory_equal(found.data, bytes, SIZE);
    tmb__free(found.data);
    assert_int_equal(tmb__file_exists(in_folder(p, "toy.h5.sha256")), 1);
    assert_int_equal(tmb__file_exists(in_folder(p, "part.toy.h5")), 0);
    assert_int_equal(tmb__file_exists(in_folder(p, "part.toy.h5.tag")), 0);
}

/* Nothing is there that could be taken for the file. */
static void require_none(const place *p, bool part)
{
    assert_int_equal(tmb__file_exists(in_folder(p, "toy.h5")), 0);
    assert_int_equal(tmb__file_exists(in_folder(p, "part.toy.h5")), part);
}

/* ---- downloads ---- */

TEST(weights_store_whole)
{
    place p = open_place();

    assert_ok(fetch_from(&p, "whole"));
    require_whole(&p);
    assert_ok(fetch_from(&p, "missing")); /* it is there: nobody is asked */
    close_place(&p);
}

TEST(weights_store_goes_on_after_a_cut)
{
    place p = open_place();

    assert_status(fetch_from(&p, "cut"), TMB_ENETWORK);
    require_none(&p, true);
    assert_int_equal(tmb__file_size(in_folder(&p, "part.toy.h5")), HALF);
    assert_ok(fetch_from(&p, "cut"));
    require_whole(&p);
    close_place(&p);
}

/* Another version, or a range that is not there: all of it again, not two halves put together. */
TEST(weights_store_starts_anew)
{
    const char *const others[] = {"whole", "gone"};

    for (int i = 0; i < 2; i++) {
        place p = open_place();

        unlink(in_folder(&p, "toy.h5"));
        assert_status(fetch_from(&p, "cut"), TMB_ENETWORK);
        assert_ok(fetch_from(&p, others[i]));
        require_whole(&p);
        close_place(&p);
    }
}

TEST(weights_store_wrong_answers)
{
    place p = open_place();

    assert_status(fetch_from(&p, "wrong"), TMB_ENETWORK);
    assert_message("MD5");
    require_none(&p, false);
    assert_status(fetch_from(&p, "html"), TMB_ENETWORK);
    assert_message("30 bytes, expected 50000");
    assert_non_null(strstr(tmb_errdetail(), "HTML"));
    require_none(&p, false);
    assert_status(fetch_from(&p, "long"), TMB_ENETWORK);
    assert_message("more bytes");
    assert_int_equal(tmb__file_size(in_folder(&p, "part.toy.h5")), 0);
    assert_status(fetch_from(&p, "missing"), TMB_ENETWORK);
    assert_message("404");
    assert_status(fetch_from(&p, "loop"), TMB_ENETWORK);
    assert_status(fetch_from(&p, "file"), TMB_ENETWORK);
    assert_int_equal(tmb__file_exists(in_folder(&p, "toy.h5")), 0);
    close_place(&p);
}

TEST(weights_store_stalled)
{
    place p = open_place();

    assert_status(fetch_from(&p, "stall"), TMB_ENETWORK);
    assert_message("nothing came");
    require_none(&p, true);
    close_place(&p);
}

TEST(weights_store_redirect)
{
    place p = open_place();

    assert_ok(fetch_from(&p, "moved"));
    require_whole(&p);
    close_place(&p);
}

TEST(weights_store_one_at_a_time)
{
    place p = open_place();
    int fd;

    assert_status(fetch_from(&p, "missing"), TMB_ENETWORK);
    fd = open(in_folder(&p, "part.toy.h5"), O_RDWR | O_CREAT, 0666);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_status(fetch_from(&p, "whole"), TMB_EEXISTS);
    assert_message("another process");
    close(fd);
    assert_ok(fetch_from(&p, "whole"));
    require_whole(&p);
    close_place(&p);
}

static int stop_at_once(void *user, int64_t done, int64_t total)
{
    assert_int_equal(total, SIZE);
    *(int64_t *)user = done;
    return done > 0;
}

TEST(weights_store_stops)
{
    place p = open_place();
    int64_t done = 0;
    char url[128];
    const tmb_zoo_store store = {
            .folder = p.folder, .url = url, .on_progress = stop_at_once, .user = &done};

    snprintf(url, sizeof url, "%s/whole", p.url);
    assert_status(fetch_from(&p, "missing"), TMB_ENETWORK);
    assert_status(tmb__zoo_fetch_file(&p.file, &store), TMB_ESTOPPED);
    assert_true(done > 0);
    assert_int_equal(tmb__file_exists(in_folder(&p, "toy.h5")), 0);
    close_place(&p);
}

TEST(weights_store_offline)
{
    const tmb_zoo_store store = {.folder = test_temp("cache"), .offline = true};
    const tmb_zoo_store odd = {.folder = test_temp("cache"), .url = "ftp://x"};
    char *path;

    assert_status(tmb_zoo_fetch("vgg16", &store), TMB_ENETWORK);
    assert_status(tmb_zoo_fetch("vgg16", &odd), TMB_EINVAL);
    assert_status(tmb_zoo_fetch("vgg17", &store), TMB_EINVAL);
    assert_status(tmb_zoo_path(&path, "vgg16", &store), TMB_EMODEL);
    assert_null(path);
    assert_non_null(strstr(tmb_errhint(), "thimble weights get vgg16"));
    assert_int_equal(tmb__file_exists(store.folder), 0);
}

/* ---- files that are here ---- */

TEST(weights_store_add)
{
    place p = open_place();
    tmb_zoo_store store = {.folder = p.folder};

    close_place(&p);
    p.file.md5 = p.md5;
    assert_ok(tmb__zoo_add_file(test_temp("toy.h5"), &p.file, &store));
    require_whole(&p);
    p.file.md5 = "00112233445566778899aabbccddeeff";
    unlink(in_folder(&p, "toy.h5"));
    assert_status(tmb__zoo_add_file(test_temp("toy.h5"), &p.file, &store), TMB_ENETWORK);
    assert_message("/toy.h5: MD5");
    assert_message("expected 00112233");
    assert_non_null(strstr(tmb_errhint(), "--force"));
    require_none(&p, false);
    store.force = true; /* it still has to be what it says */
    assert_true(tmb__zoo_add_file(test_temp("toy.h5"), &p.file, &store) < 0);
    assert_message("/toy.h5: ");
    require_none(&p, false);
    assert_status(tmb__zoo_add_file(test_temp("none"), &p.file, &store), TMB_EMODEL);
    assert_status(tmb__zoo_add_file("/dev/null", &p.file, &store), TMB_EMODEL);
}

/* Without a published sum the layers have to fit; with another one, if it is wanted. */
TEST(weights_store_add_by_its_layers)
{
    tmb_zoo_store store = {.folder = test_temp("cache"), .force = true};
    tmb__strbuf sb = {0};
    char *path;

    for (int i = 0; i < 1000; i++)
        tmb__strbuf_add(&sb, "%c\"%d\": [\"n%08d\", \"thing\"]", i ? ',' : '{', i, i);
    tmb__strbuf_add(&sb, "}");
    test_write(test_temp("imagenet_class_index.json"), sb.text, sb.len);
    assert_ok(tmb_zoo_add(test_temp("imagenet_class_index.json"), NULL, &store));
    assert_ok(tmb_zoo_path(&path, "imagenet-classes", &store));
    tmb_free(path);
    test_write(test_temp("some.json"), sb.text, sb.len - 1);
    tmb__strbuf_free(&sb);
    assert_status(tmb_zoo_add(test_temp("some.json"), NULL, &store), TMB_EINVAL);
    assert_message("some.json");
    assert_status(tmb_zoo_add(test_temp("some.json"), "imagenet-classes", &store), TMB_EMODEL);
    assert_message("/some.json: it does not name");
    assert_status(tmb_zoo_add(test_temp("some.json"), "mobilenet_v2", &store), TMB_EMODEL);
    assert_message("/some.json: not HDF5");
}

TEST(weights_store_path_takes_the_file_with_its_classifier)
{
    const tmb_zoo_store store = {.folder = test_temp("cache")};
    const char *file = NULL;
    char *path;

    for (int i = 0; tmb_zoo_file_at(i); i++) {
        const tmb_zoo_file *f = tmb_zoo_file_at(i);

        if (strcmp(f->name, "vgg16-top") == 0) file = f->file;
        if (!f->net || f->top) continue;
        assert_string_equal(tmb_zoo_file_at(i + 1)->net, f->net);
        assert_true(tmb_zoo_file_at(i + 1)->top);
    }
    assert_ok(tmb__folder_make(store.folder));
    test_write(test_temp("cache/%s", file), "", 0);
    assert_ok(tmb_zoo_path(&path, "vgg16", &store));
    assert_non_null(strstr(path, file));
    tmb_free(path);
}
