/* consumer.c - a program of a user of the installed package */
#include <stdio.h>
#include <string.h>
#include <thimble/thimble.h>

int main(void)
{
    printf("%s\n%s\n", tmb_version(), tmb_build_info());
    return strncmp(tmb_version(), "0.1.", 4) == 0 && tmb_errmsg()[0] == '\0' ? 0 : 1;
}
