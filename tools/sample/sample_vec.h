/* sample_vec.h - three floats and the little arithmetic that drawing needs
 *
 * Minimum, maximum and floor are spelled out: without -ffast-math the ones of libm are calls.
 */
#ifndef THIMBLE_SAMPLE_SAMPLE_VEC_H
#define THIMBLE_SAMPLE_SAMPLE_VEC_H

#include <math.h>

#define SAMPLE_PI 3.14159265f

/* A point, a direction or a linear colour (x red, y green, z blue). y points up. */
typedef struct {
    float x, y, z;
} vec3;

static inline float f_min(float a, float b)
{
    return a < b ? a : b;
}

static inline float f_max(float a, float b)
{
    return a > b ? a : b;
}

static inline float f_clamp(float x, float lo, float hi)
{
    return f_min(f_max(x, lo), hi);
}

static inline float f_mix(float a, float b, float t)
{
    return a + (b - a) * t;
}

/* 0 below a, 1 above b, smooth between; a < b. */
static inline float f_step(float a, float b, float x)
{
    float t = f_clamp((x - a) / (b - a), 0, 1);

    return t * t * (3 - 2 * t);
}

static inline int f_floor(float x)
{
    int i = (int)x;

    return i - ((float)i > x);
}

static inline vec3 v_set(float x, float y, float z)
{
    return (vec3){x, y, z};
}

static inline vec3 v_add(vec3 a, vec3 b)
{
    return v_set(a.x + b.x, a.y + b.y, a.z + b.z);
}

static inline vec3 v_sub(vec3 a, vec3 b)
{
    return v_set(a.x - b.x, a.y - b.y, a.z - b.z);
}

static inline vec3 v_mul(vec3 a, vec3 b)
{
    return v_set(a.x * b.x, a.y * b.y, a.z * b.z);
}

static inline vec3 v_scale(vec3 a, float s)
{
    return v_set(a.x * s, a.y * s, a.z * s);
}

/* a + b s: along a ray. */
static inline vec3 v_along(vec3 a, vec3 b, float s)
{
    return v_set(a.x + b.x * s, a.y + b.y * s, a.z + b.z * s);
}

static inline vec3 v_mix(vec3 a, vec3 b, float t)
{
    return v_along(a, v_sub(b, a), t);
}

static inline float v_dot(vec3 a, vec3 b)
{
    return a.x * b.x + a.y * b.y + a.z * b.z;
}

static inline vec3 v_cross(vec3 a, vec3 b)
{
    return v_set(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
}

static inline vec3 v_unit(vec3 a)
{
    return v_scale(a, 1 / sqrtf(v_dot(a, a) + 1e-20f));
}

static inline float v_luma(vec3 c)
{
    return 0.2126f * c.x + 0.7152f * c.y + 0.0722f * c.z;
}

#endif
