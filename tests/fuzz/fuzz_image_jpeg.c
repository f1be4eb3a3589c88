/* fuzz_image_jpeg.c - any bytes that begin as JPEG, through the decoder */
#include "fuzz_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_image(TMB__FORMAT_JPEG, data, size);
}
