/* version.c - the version, and what this build was made with
 *
 * TMB_BUILD_INFO comes from the build: names and versions of the libraries and the compiler. */
#include "base/base.h"

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)
#define VERSION    TEXT(TMB_VERSION_MAJOR) "." TEXT(TMB_VERSION_MINOR) "." TEXT(TMB_VERSION_PATCH)

const char *tmb_version(void)
{
    return VERSION;
}

const char *tmb_build_info(void)
{
    return "thimble " VERSION " (" TMB_BUILD_INFO ")";
}
