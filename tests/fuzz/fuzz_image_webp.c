/* fuzz_image_webp.c - any bytes that begin as WebP, through the decoder */
#include "fuzz_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_image(TMB__FORMAT_WEBP, data, size);
}
