/* CRC-32 (that of zlib) of bytes that are in cache, for processors that multiply polynomials in 512-bit registers.
 *
 * Bytes are folded as in V. Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction",
 * Intel 2009: what stands D bits before the end is multiplied by x^D modulo the polynomial. Bits are reversed, as in
 * zlib, so that the factors of the lower and the upper half of 128 bits are x^(D+32) and x^(D-32), reversed and shifted. */
#ifndef GSM_BENCH_CRC32_H
#define GSM_BENCH_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* One byte after the other, for the few that fill no 16 bytes. */
static uint32_t bytewise(uint32_t remainder, const unsigned char *bytes, size_t count) {
    for (size_t at = 0; at < count; at++) {
        remainder ^= bytes[at];
        for (int bit = 0; bit < 8; bit++) remainder = (remainder >> 1) ^ (0xedb88320u & -(remainder & 1u));
    }
    return remainder;
}

#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 10
#include <immintrin.h>
#define FOLDING __attribute__((target("avx512f,avx512dq,vpclmulqdq,pclmul,sse4.1")))

static int can_fold(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("vpclmulqdq") && __builtin_cpu_supports("pclmul");
}

FOLDING static inline __m512i fold_four(__m512i folded, __m512i factors, __m512i next) {
    const __m512i low = _mm512_clmulepi64_epi128(folded, factors, 0x00);
    const __m512i high = _mm512_clmulepi64_epi128(folded, factors, 0x11);
    return _mm512_ternarylogic_epi64(low, high, next, 0x96); /* exclusive or of all three */
}

FOLDING static inline __m128i fold_one(__m128i folded, __m128i factors, __m128i next) {
    const __m128i low = _mm_clmulepi64_si128(folded, factors, 0x00);
    const __m128i high = _mm_clmulepi64_si128(folded, factors, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

/* Remainder of 128 bits. */
FOLDING static inline uint32_t reduced(__m128i folded, __m128i factors) {
    const __m128i words = _mm_set_epi32(0, -1, 0, -1);
    const __m128i polynomial = _mm_set_epi64x(0x1f7011641, 0x1db710641); /* quotient of x^64, the polynomial itself */
    __m128i rest = _mm_xor_si128(_mm_srli_si128(folded, 8), _mm_clmulepi64_si128(folded, factors, 0x10));
    const __m128i low = _mm_clmulepi64_si128(_mm_and_si128(rest, words), _mm_set_epi64x(0, 0x163cd6124), 0x00);
    rest = _mm_xor_si128(_mm_srli_si128(rest, 4), low);
    __m128i quotient = _mm_clmulepi64_si128(_mm_and_si128(rest, words), polynomial, 0x10);
    quotient = _mm_clmulepi64_si128(_mm_and_si128(quotient, words), polynomial, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(rest, quotient), 1);
}

/* Remainder of at least 256 bytes; `*from` is moved to the last ones, fewer than 16, which are left. */
FOLDING static uint32_t fold(uint32_t remainder, const unsigned char **from, const unsigned char *end) {
    const unsigned char *bytes = *from;
    const __m512i by_2048 = _mm512_set4_epi64(0x1322d1430, 0x11542778a, 0x1322d1430, 0x11542778a);
    const __m512i by_512 = _mm512_set4_epi64(0x1c6e41596, 0x154442bd4, 0x1c6e41596, 0x154442bd4);
    const __m128i by_128 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
    __m512i a = _mm512_loadu_si512(bytes), b = _mm512_loadu_si512(bytes + 64);
    __m512i c = _mm512_loadu_si512(bytes + 128), d = _mm512_loadu_si512(bytes + 192);
    a = _mm512_xor_si512(a, _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)remainder)));
    for (bytes += 256; end - bytes >= 256; bytes += 256) {
        a = fold_four(a, by_2048, _mm512_loadu_si512(bytes));
        b = fold_four(b, by_2048, _mm512_loadu_si512(bytes + 64));
        c = fold_four(c, by_2048, _mm512_loadu_si512(bytes + 128));
        d = fold_four(d, by_2048, _mm512_loadu_si512(bytes + 192));
    }
    a = fold_four(fold_four(fold_four(a, by_512, b), by_512, c), by_512, d);
    for (; end - bytes >= 64; bytes += 64) a = fold_four(a, by_512, _mm512_loadu_si512(bytes));
    __m128i folded = _mm512_extracti64x2_epi64(a, 0);
    folded = fold_one(folded, by_128, _mm512_extracti64x2_epi64(a, 1));
    folded = fold_one(folded, by_128, _mm512_extracti64x2_epi64(a, 2));
    folded = fold_one(folded, by_128, _mm512_extracti64x2_epi64(a, 3));
    for (; end - bytes >= 16; bytes += 16) {
        folded = fold_one(folded, by_128, _mm_loadu_si128((const __m128i *)bytes));
    }
    *from = bytes;
    return reduced(folded, by_128);
}
#else
static int can_fold(void) { return 0; }
static uint32_t fold(uint32_t remainder, const unsigned char **from, const unsigned char *end) {
    (void)from, (void)end;
    return remainder;
}
#endif

/* CRC-32 of what gave `sum` (0 for nothing), and then of these bytes; slow where `can_fold` is false. */
static uint32_t crc32_of(uint32_t sum, const void *content, size_t count) {
    const unsigned char *bytes = (const unsigned char *)content, *end = bytes + count;
    uint32_t remainder = ~sum;
    if (count >= 256 && can_fold()) remainder = fold(remainder, &bytes, end);
    return ~bytewise(remainder, bytes, (size_t)(end - bytes));
}

#endif
