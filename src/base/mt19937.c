/* mt19937.c - NumPy's legacy random stream, which Keras' iterators draw from
 *
 * Matsumoto and Nishimura: Mersenne twister, ACM TOMACS 8 (1998); seeded by one number as in their
 * init_genrand. What is made of its words is NumPy's RandomState: rng.c does that for any stream that
 * is not its own. */
#include "base/base.h"

enum { WORDS = 624, AHEAD = 397 };

void tmb__mt_seed(tmb__mt19937 *mt, uint32_t seed)
{
    mt->word[0] = seed;
    for (uint32_t i = 1; i < WORDS; i++)
        mt->word[i] = 1812433253u * (mt->word[i - 1] ^ mt->word[i - 1] >> 30) + i;
    mt->used = WORDS;
}

static void twist(tmb__mt19937 *mt)
{
    for (int i = 0; i < WORDS; i++) {
        const uint32_t y = (mt->word[i] & 0x80000000u) | (mt->word[(i + 1) % WORDS] & 0x7fffffffu);

        mt->word[i] = mt->word[(i + AHEAD) % WORDS] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    mt->used = 0;
}

static uint32_t next_word(void *user)
{
    tmb__mt19937 *mt = user;
    uint32_t y;

    if (mt->used == WORDS) twist(mt);
    y = mt->word[mt->used++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

tmb__rng tmb__mt_rng(tmb__mt19937 *mt)
{
    return (tmb__rng){.other = next_word, .user = mt};
}
