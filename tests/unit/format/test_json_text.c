/* test_json_text.c - the limits of JSON, what it is refused for, text and back */
#include "format/format.h"
#include "test.h"

#include <jansson.h>
#include <string.h>

static int parse(const char *text, size_t size)
{
    json_t *json;
    const int status = tmb__json_parse(&json, text, size, "a.json");

    if (status < 0) assert_null(json);
    json_decref(json);
    return status;
}

TEST(json_text_is_strict)
{
    const char *sound = "{\"a\":[1,-2.5e3,\"\\u00e9\",true,null]}";
    static const char *const refused[] = {"", "{", "[1,]", "{\"a\":1,\"a\":2}", "[NaN]",
            "[Infinity]", "[1e999]", "['a']", "[\"\xff\"]", "[\"\\u0000\"]", "[01]", "[1] x",
            "/* c */ [1]", "[99999999999999999999]", "[\"\\ud800\"]", "3"};

    assert_int_equal(parse(sound, strlen(sound)), 0);
    for (size_t i = 0; i < TMB_COUNT(refused); i++) {
        assert_status(parse(refused[i], strlen(refused[i])), TMB_EMODEL);
        assert_message("a.json: not valid JSON: ");
    }
}

/* Brackets in strings do not count; what is behind a backslash ends no string. */
TEST(json_text_limits)
{
    const size_t limit = (size_t)16 << 20;
    char *text = tmb__calloc(limit + 1, 1);
    const char *in_string =
            "[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[\"]";

    assert_non_null(text);
    assert_int_equal(parse(in_string, strlen(in_string)), 0);
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    assert_int_equal(parse(text + 1, 128), 0);
    assert_status(parse(text, 130), TMB_EMODEL);
    assert_message("65 levels deep, the limit is 64");
    memset(text, ' ', limit + 1);
    text[0] = '[';
    text[limit - 1] = ']';
    assert_int_equal(parse(text, limit), 0);
    assert_status(parse(text, limit + 1), TMB_EMODEL);
    assert_message("JSON text of 16777217 bytes, the limit is 16777216");
    for (size_t i = 1; i < limit - 1; i++)
        text[i] = i % 2 ? '1' : ',';
    assert_status(parse(text, limit), TMB_EMODEL);
    assert_message("values, the limit is 2097152");
    tmb__free(text);
}

TEST(json_text_out)
{
    const char *text = "{\"b\": [1, 2.5], \"a\": \"x\"}";
    tmb__strbuf sb = {0};
    json_t *json;

    assert_ok(tmb__json_parse(&json, text, strlen(text), "a"));
    assert_ok(tmb__json_text(&sb, json));
    assert_string_equal(sb.text, "{\"b\":[1,2.5],\"a\":\"x\"}");
    json_decref(json);
    tmb__strbuf_free(&sb);
    assert_ok(tmb__json_quote(&sb, "a\"\\\n\x1b"));
    assert_string_equal(sb.text, "\"a\\\"\\\\\\n\\u001B\"");
    assert_status(tmb__json_quote(&sb, "\xc3"), TMB_EINVAL);
    tmb__strbuf_free(&sb);
}
