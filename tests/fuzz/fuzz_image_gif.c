/* fuzz_image_gif.c - any bytes that begin as GIF, through the decoder */
#include "fuzz_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_image(TMB__FORMAT_GIF, data, size);
}
