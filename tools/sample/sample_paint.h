/* sample_paint.h - colours, patterns and materials
 *
 * A pattern is a function of two coordinates: along and across a table or a wall, around and up a
 * pot. Colours are linear. Nothing here knows the class of the picture.
 */
#ifndef THIMBLE_SAMPLE_SAMPLE_PAINT_H
#define THIMBLE_SAMPLE_SAMPLE_PAINT_H

#include "sample_rng.h"
#include "sample_vec.h"

typedef enum {
    SAMPLE_PLAIN,
    SAMPLE_WOOD,
    SAMPLE_CHECKS,
    SAMPLE_STRIPES,
    SAMPLE_TILES,
    SAMPLE_MARBLE,
    SAMPLE_DOTS,
    SAMPLE_SPECKLES,
    SAMPLE_BRICKS,
    SAMPLE_LIGHTS, /* lamps and leaves far out of focus */
    SAMPLE_ZIGZAG,
    SAMPLE_GLAZE, /* two glazes with a running edge between them */
} sample_pattern;

typedef struct {
    sample_pattern pattern;
    vec3 a, b, c;  /* the colours it is made of */
    float scale;   /* repeats per unit */
    float turn[2]; /* cosine and sine of its direction */
    float soft;    /* width of its edges, in repeats */
    float rough;   /* strength of the irregularities */
    uint32_t seed;
} sample_texture;

typedef struct {
    sample_texture texture;
    float gloss;  /* mirror reflection straight on: 0.04 glaze, 0.6 and more metal */
    float spread; /* how blurred the reflection is: 0 mirror, 1 none to see */
    float metal;  /* 1: reflections take the colour of the surface, nothing is scattered */
} sample_material;

/* A colour of crockery, cloth or paint; sRGB inside, linear on return. */
vec3 sample_color(sample_rng *rng);

vec3 sample_color_linear(float red, float green, float blue);

/* Smooth noise in 0..1. */
float sample_noise(float u, float v, uint32_t seed);

vec3 sample_texture_at(const sample_texture *t, float u, float v);

void sample_texture_table(sample_texture *t, sample_rng *rng);
void sample_texture_wall(sample_texture *t, sample_rng *rng);

/* Glaze, matte clay, enamel or metal, plain or patterned; u runs round the pot in turns. */
void sample_material_pot(sample_material *m, sample_rng *rng);

#endif
