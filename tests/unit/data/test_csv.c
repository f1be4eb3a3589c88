/* test_csv.c - tables of photos: quoting, line ends, columns, and where a fault is said to be */
#include "data/images.h"
#include "photos.h"

#include <string.h>

static const tmb_images_opts no_opts;
static const tmb_images_opts small = {.size = {8, 8}, .batch = 2, .threads = 1};

/* Parse a table's text alone; what it lists goes to `list`. */
static int parse(tmb__listing *list, const char *text)
{
    static tmb__notices notices;
    char *copy = test_keep(tmb__strdup(text));

    *list = (tmb__listing){.notices = &notices};
    return tmb__list_table_text(list, "folder/t.csv", &no_opts, copy, strlen(copy));
}

static void refuse(const char *text, const char *message)
{
    tmb__listing list;

    assert_status(parse(&list, text), TMB_EDATA);
    assert_message(message);
    tmb__listing_free(&list);
}

TEST(csv_rows_become_samples)
{
    tmb__listing list;

    assert_ok(parse(&list, "file_name,label\na.png,dog\nsub/b.png,cat\n/abs/c.png,dog\n"));
    assert_int_equal(list.n, 3);
    assert_int_equal(list.n_names, 2);
    assert_string_equal(list.names[0], "cat");
    assert_int_equal(list.samples[0].label, 1);
    assert_string_equal(list.samples[1].path, "folder/sub/b.png");
    assert_string_equal(list.samples[1].path + list.samples[1].key, "sub/b.png");
    assert_string_equal(list.samples[2].path, "/abs/c.png");
    assert_false(list.has_part[TMB_TRAIN]);
    tmb__listing_free(&list);
}

TEST(csv_quotes_line_ends_and_mark)
{
    tmb__listing list;

    assert_ok(parse(&list,
            "\xef\xbb\xbf\"label\",other,file_name\r\n\r\n"
            "\"a \"\"big\"\", dog\",,\"x,\ny.png\"\r\ncat,1,z.png"));
    assert_int_equal(list.n, 2);
    assert_string_equal(list.samples[0].path + list.samples[0].key, "x,\ny.png");
    assert_string_equal(list.names[0], "a \"big\", dog");
    assert_string_equal(list.names[1], "cat");
    tmb__listing_free(&list);
}

TEST(csv_split_column)
{
    tmb__listing list;

    assert_ok(
            parse(&list, "split,file_name,label\ntrain,a,x\nval,b,y\nvalidation,c,x\ntest,d,y\n"));
    assert_int_equal(list.samples[0].part, TMB_TRAIN);
    assert_int_equal(list.samples[1].part, TMB_VALIDATION);
    assert_int_equal(list.samples[2].part, TMB_VALIDATION);
    assert_int_equal(list.samples[3].part, TMB_TEST);
    assert_true(list.has_part[TMB_TEST]);
    tmb__listing_free(&list);
}

TEST(csv_faults_name_their_place)
{
    refuse("", "no column \"file_name\"");
    refuse("path,label\na,b\n", "line 1: no column \"file_name\", found \"path,label\"");
    refuse("file_name,kind\na,b\n", "no column \"label\"");
    refuse("file_name,label\n", "no rows");
    refuse("file_name,label\na.png,cat\nb.png\n", "line 3: 1 fields, expected 2");
    refuse("file_name,label\na.png,cat,dog\n", "line 2: 3 fields, expected 2");
    refuse("file_name,label\na.png,\n", "line 2, column \"label\": empty");
    refuse("file_name,label\n,cat\n", "line 2, column \"file_name\": empty");
    refuse("file_name,label\na.png,\"cat\n\n", "line 2, column 7: this quote is never closed");
    refuse("file_name,label\na.png,\"cat\"s\n", "line 2, column 12: text after a closing quote");
    refuse("file_name,label\na.png,ca\"t\n", "line 2, column 9: a quote inside a field");
    refuse("file_name,label\na.png,cat\rb.png,dog\n", "carriage return");
    refuse("file_name,label,split\na.png,cat,dev\n", "line 2, column \"split\": \"dev\", expected");
    refuse("file_name,label\na.png,cat\nb.png,dog\na.png,dog\n",
            "line 4: \"a.png\" stands in line 2");
}

TEST(csv_limits)
{
    tmb__strbuf sb = {0};

    tmb__strbuf_add(&sb, "file_name,label\na.png,");
    for (int i = 0; i < 1001; i++)
        tmb__strbuf_add(&sb, "x");
    refuse(sb.text, "1001 bytes, expected at most 1000");
    tmb__strbuf_free(&sb);
    for (int i = 0; i < 65; i++)
        tmb__strbuf_add(&sb, "c%d,", i);
    refuse(sb.text, "more than 64 fields");
    tmb__strbuf_free(&sb);
}

TEST(csv_zero_byte)
{
    static const char text[] = "file_name,label\na\0.png,cat\n";
    tmb_images *images;

    test_write(test_temp("t.csv"), text, sizeof text - 1);
    assert_status(tmb_images_open(&images, test_temp("t.csv"), &small), TMB_EDATA);
    assert_message("zero byte");
}

/* The whole way, with a photo that is not there and one that is used. */
TEST(csv_opens_photos)
{
    static const char text[] = "file_name,label,split\n"
                               "p/0000.png,x,train\np/0001.png,y,train\np/0002.png,x,validation\n"
                               "p/0003.png,y,validation\ngone.png,y,validation\n";
    tmb_images_opts opts = small;
    tmb_images *images;

    photos_write("p", 0, 4);
    test_write(test_temp("t.csv"), text, sizeof text - 1);
    opts.part = TMB_VALIDATION;
    assert_status(tmb_images_open(&images, test_temp("t.csv"), &opts), TMB_EDATA);
    assert_message("1 of 3 images cannot be read");
    assert_non_null(strstr(tmb_errdetail(), "gone.png"));
    opts.bad_limit = 0.5F;
    images = images_open(test_temp("t.csv"), &opts);
    assert_int_equal(tmb_images_count(images), 2);
    assert_string_equal(tmb_images_key(images, 1), "p/0003.png");
    assert_string_equal(notice_with(images, "No such file")->path, "gone.png");
    tmb_images_free(images);
    opts.part = TMB_TEST;
    assert_status(tmb_images_open(&images, test_temp("t.csv"), &opts), TMB_EDATA);
    assert_message("no test part");
}
