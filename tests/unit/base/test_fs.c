/* test_fs.c - reading, replacing and listing, with every call failing in turn; hashes */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <signal.h>

static tmb__bytes bytes_of(const char *text)
{
    return (tmb__bytes){(uint8_t *)(uintptr_t)text, strlen(text)};
}

static void assert_holds(const char *path, const char *text)
{
    tmb__bytes found;

    assert_ok(tmb__file_read(&found, path, 1000, TMB_EDATA));
    assert_int_equal(found.size, strlen(text));
    assert_string_equal((char *)found.data, text);
    tmb__free(found.data);
}

static int64_t count_entries(const char *folder)
{
    tmb__entry *entries;
    int64_t n;

    assert_ok(tmb__folder_list(&entries, &n, folder, TMB_EDATA));
    tmb__folder_list_free(entries, n);
    return n;
}

TEST(fs_read_obeys_its_limit)
{
    const char *path = test_temp("a");
    tmb__bytes found;

    test_write(path, "12345", 5);
    assert_ok(tmb__file_read(&found, path, 5, TMB_EDATA));
    assert_int_equal(found.size, 5);
    assert_string_equal((char *)found.data, "12345");
    tmb__free(found.data);
    assert_status(tmb__file_read(&found, path, 4, TMB_EMODEL), TMB_EMODEL);
    assert_message("more than the limit of 4 bytes");
    assert_null(found.data);
    test_write(path, "", 0);
    assert_ok(tmb__file_read(&found, path, 0, TMB_EDATA));
    assert_int_equal(found.size, 0);
    tmb__free(found.data);
}

/* Files in /proc say they have no bytes, and have many. */
TEST(fs_read_does_not_trust_the_size)
{
    tmb__bytes found;

    assert_ok(tmb__file_read(&found, "/proc/self/maps", 1 << 24, TMB_EDATA));
    assert_true(found.size > 1000);
    assert_int_equal(strlen((char *)found.data), found.size);
    tmb__free(found.data);
    assert_status(tmb__file_read(&found, "/proc/self/maps", 100, TMB_EDATA), TMB_EDATA);
    assert_message("more than the limit of 100 bytes");
}

TEST(fs_read_refuses_what_is_no_file)
{
    const char *pipe_path = test_temp("pipe"), *loop = test_temp("loop");
    tmb__bytes found;

    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    assert_status(tmb__file_read(&found, pipe_path, 10, TMB_EDATA), TMB_EDATA);
    assert_message("expected a regular file");
    assert_status(tmb__file_read(&found, test_temp("."), 10, TMB_EDATA), TMB_EDATA);
    assert_message("a folder, expected a regular file");
    assert_status(tmb__file_read(&found, "/dev/zero", 10, TMB_EDATA), TMB_EDATA);
    assert_int_equal(symlink("loop", loop), 0);
    assert_status(tmb__file_read(&found, loop, 10, TMB_EDATA), TMB_EDATA);
    assert_message("(ELOOP)");
    assert_status(tmb__file_read(&found, test_temp("none"), 10, TMB_EDATA), TMB_EDATA);
    assert_message("No such file or directory (ENOENT)");
}

TEST(fs_read_survives_failing_calls)
{
    static const struct {
        tmb__gate_kind kind;
        int status;
    } cases[] = {{TMB_GATE_ALLOC, TMB_ENOMEM}, {TMB_GATE_IO, TMB_EDATA}};
    const char *path = test_temp("a");

    test_write(path, "12345", 5);
    for (size_t k = 0; k < TMB_COUNT(cases); k++) {
        for (int64_t n = 0;; n++) {
            tmb__bytes found;
            int status;

            test_fail_from(cases[k].kind, n, 1);
            status = tmb__file_read(&found, path, 10, TMB_EDATA);
            if (!test_fail_end()) {
                assert_true(status == 0 && n > 0);
                tmb__free(found.data);
                break;
            }
            assert_status(status, cases[k].status);
            assert_null(found.data);
        }
    }
}

TEST(fs_read_out_of_descriptors_is_not_the_files_fault)
{
    const char *path = test_temp("a");
    struct rlimit old, none;
    tmb__bytes found;
    int status;

    test_write(path, "1", 1);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = (struct rlimit){0, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    status = tmb__file_read(&found, path, 10, TMB_EDATA);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_status(status, TMB_ENOMEM);
    assert_message("(EMFILE)");
}

TEST(fs_replace_writes_parts_in_order)
{
    const char *path = test_temp("out");
    const tmb__bytes parts[] = {bytes_of("one "), bytes_of(""), bytes_of("two")};
    struct stat st;

    assert_ok(tmb__file_replace(path, parts, 3));
    assert_holds(path, "one two");
    assert_int_equal(chmod(path, 0600), 0);
    assert_ok(tmb__file_replace(path, parts, 1));
    assert_holds(path, "one ");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_ok(tmb__file_replace(path, NULL, 0));
    assert_int_equal(tmb__file_size(path), 0);
    assert_int_equal(count_entries(test_temp(".")), 1);
}

TEST(fs_replace_takes_bare_and_long_names)
{
    const tmb__bytes part = bytes_of("x");
    char name[256];

    memset(name, 'n', 255);
    name[255] = '\0';
    assert_int_equal(chdir(test_temp(".")), 0);
    assert_ok(tmb__file_replace(name, &part, 1));
    assert_holds(name, "x");
}

/* The old content or, if only the folder's fsync failed, the new one; never a mixture or a leftover. */
TEST(fs_replace_survives_failing_calls)
{
    static const tmb__gate_kind kinds[] = {TMB_GATE_ALLOC, TMB_GATE_IO};
    const char *folder = test_temp("d"), *path = test_temp("d/out");
    const tmb__bytes old = bytes_of("old"), parts[] = {bytes_of("new "), bytes_of("text")};

    assert_ok(tmb__folder_make(folder));
    for (size_t k = 0; k < TMB_COUNT(kinds); k++) {
        for (int64_t count = 1; count >= -1; count -= 2) {
            bool tried = true, replaced = false;

            assert_ok(tmb__file_replace(path, &old, 1));
            for (int64_t n = 0; tried; n++) {
                int status;

                test_fail_from(kinds[k], n, count);
                status = tmb__file_replace(path, parts, 2);
                tried = test_fail_end();
                if (!tried) break;
                assert_status(status, k == 0 ? TMB_ENOMEM : TMB_EOUTPUT);
                assert_false(replaced); /* nothing can fail after the last step */
                replaced = strstr(tmb_errmsg(), "cannot sync") && strstr(tmb_errmsg(), "/d/:");
                assert_holds(path, replaced ? "new text" : "old");
                assert_int_equal(count_entries(folder), 1);
            }
            assert_holds(path, "new text");
        }
    }
}

TEST(fs_replace_refuses_what_is_no_file)
{
    const tmb__bytes part = bytes_of("x");

    assert_status(tmb__file_replace("/dev/null", &part, 1), TMB_EOUTPUT);
    assert_message("/dev/null: not a file, expected a regular file or nothing");
    assert_status(tmb__file_replace(test_temp("."), &part, 1), TMB_EOUTPUT);
    assert_status(tmb__file_replace(test_temp("none/out"), &part, 1), TMB_EOUTPUT);
    assert_message("(ENOENT)");
    assert_status(tmb__file_replace("", &part, 1), TMB_EOUTPUT);
}

TEST(fs_replace_says_when_there_is_no_room)
{
    const struct rlimit small = {1000, 1000};
    const char *path = test_temp("d/out");
    const tmb__bytes old = bytes_of("old");
    static uint8_t zeros[5000];
    const tmb__bytes large = {zeros, sizeof zeros};

    assert_ok(tmb__folder_make(test_temp("d")));
    assert_ok(tmb__file_replace(path, &old, 1));
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_status(tmb__file_replace(path, &large, 1), TMB_EOUTPUT);
    assert_message("File too large (EFBIG)");
    assert_holds(path, "old");
    assert_int_equal(count_entries(test_temp("d")), 1);
}

TEST(fs_list_is_sorted_and_follows_links)
{
    static const char *const expected[] = {"B.jpg", "Z", "a.jpg", "dangling", "link", "\xc3\xa4"};
    tmb__entry *entries;
    int64_t n;

    test_write(test_temp("a.jpg"), "", 0);
    test_write(test_temp("B.jpg"), "", 0);
    test_write(test_temp("\xc3\xa4"), "", 0);
    assert_ok(tmb__folder_make(test_temp("Z")));
    assert_int_equal(symlink("Z", test_temp("link")), 0);
    assert_int_equal(symlink("nowhere", test_temp("dangling")), 0);
    assert_ok(tmb__folder_list(&entries, &n, test_temp("."), TMB_EDATA));
    assert_int_equal(n, TMB_COUNT(expected));
    for (int64_t i = 0; i < n; i++)
        assert_string_equal(entries[i].name, expected[i]);
    assert_true(entries[0].is_file && !entries[0].is_folder);
    assert_true(entries[1].is_folder && entries[4].is_folder);
    assert_int_equal(entries[1].inode, entries[4].inode);
    assert_true(!entries[3].is_folder && !entries[3].is_file);
    tmb__folder_list_free(entries, n);
}

TEST(fs_list_survives_failing_calls)
{
    static const tmb__gate_kind kinds[] = {TMB_GATE_ALLOC, TMB_GATE_IO};

    for (int i = 0; i < 100; i++)
        test_write(test_temp("%d", i), "", 0);
    for (size_t k = 0; k < TMB_COUNT(kinds); k++) {
        for (int64_t n = 0;; n++) {
            tmb__entry *entries;
            int64_t n_entries;
            int status;

            test_fail_from(kinds[k], n, 1);
            status = tmb__folder_list(&entries, &n_entries, test_temp("."), TMB_EDATA);
            if (!test_fail_end()) {
                assert_int_equal(n_entries, 100);
                tmb__folder_list_free(entries, n_entries);
                break;
            }
            assert_status(status, k == 0 ? TMB_ENOMEM : TMB_EDATA);
            assert_true(!entries && !n_entries);
        }
    }
}

TEST(fs_folder_make_makes_parents)
{
    const char *path = test_temp("a/b//c/");
    char *joined;

    assert_ok(tmb__folder_make(path));
    assert_ok(tmb__folder_make(path));
    assert_int_equal(tmb__file_exists(path), 2);
    test_write(test_temp("file"), "", 0);
    assert_status(tmb__folder_make(test_temp("file/d")), TMB_EOUTPUT);
    assert_message("(ENOTDIR)");
    assert_status(tmb__folder_make(""), TMB_EINVAL);
    joined = tmb__path_join("a", "b");
    assert_string_equal(joined, "a/b");
    tmb__free(joined);
    joined = tmb__path_join("a/", "b");
    assert_string_equal(joined, "a/b");
    tmb__free(joined);
    joined = tmb__path_join("", "b");
    assert_string_equal(joined, "b");
    tmb__free(joined);
    joined = tmb__path_join("a", "/b");
    assert_string_equal(joined, "/b");
    tmb__free(joined);
}

TEST(fs_exists_tells_what_is_there)
{
    test_write(test_temp("file"), "abc", 3);
    assert_int_equal(symlink("nowhere", test_temp("dangling")), 0);
    assert_int_equal(tmb__file_exists(test_temp("file")), 1);
    assert_int_equal(tmb__file_exists(test_temp(".")), 2);
    assert_int_equal(tmb__file_exists("/dev/null"), 3);
    assert_int_equal(tmb__file_exists(test_temp("dangling")), 3);
    assert_int_equal(tmb__file_exists(test_temp("none")), 0);
    assert_int_equal(tmb__file_size(test_temp("file")), 3);
    assert_int_equal(tmb__file_size(test_temp("none")), -1);
    assert_int_equal(tmb__file_size(test_temp(".")), -1);
}

/* FIPS 180-2, B.1, in one piece and byte by byte. */
TEST(hash_sha256_of_abc)
{
    static const uint8_t expected[32] = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41,
            0x40, 0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
            0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
    tmb__sha256 sha;
    uint8_t digest[32];

    tmb__sha256_start(&sha);
    tmb__sha256_add(&sha, "abc", 3);
    tmb__sha256_end(&sha, digest);
    assert_memory_equal(digest, expected, 32);
    tmb__sha256_start(&sha);
    for (int i = 0; i < 3; i++)
        tmb__sha256_add(&sha, &"abc"[i], 1);
    tmb__sha256_end(&sha, digest);
    assert_memory_equal(digest, expected, 32);
}
