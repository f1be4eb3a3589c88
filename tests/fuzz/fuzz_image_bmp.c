/* fuzz_image_bmp.c - any bytes that begin as BMP, through the decoder */
#include "fuzz_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_image(TMB__FORMAT_BMP, data, size);
}
