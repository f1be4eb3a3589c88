/* json_check.c - json_check FILE: 0 if it holds one JSON value in valid UTF-8 and nothing else */
#include <jansson.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    json_error_t error;
    json_t *value = argc == 2 ? json_load_file(argv[1], JSON_REJECT_DUPLICATES, &error) : NULL;

    if (!value) printf("no JSON: line %d: %s\n", error.line, error.text);
    json_decref(value);
    return value ? 0 : 1;
}
