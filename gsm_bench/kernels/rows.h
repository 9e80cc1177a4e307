/* The inner loops of fusion over one row of scores, written so that compilers make vector code of them.
 *
 * Every sum is taken in the order and precision in which numpy takes it (float64, a product rounded before it is
 * added: the build forbids contraction), so that results are equal bit by bit to those without a compiler. */
#ifndef GSM_BENCH_ROWS_H
#define GSM_BENCH_ROWS_H

#include <math.h>
#include <stddef.h>

/* One build that runs on every x86-64 processor and uses the wide registers of those that have them. */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif

/* Ask for numbers that are needed soon: processors look ahead within a page of memory only. */
static inline void ask_for(const float *scores, ptrdiff_t count) {
#if defined(__GNUC__)
    for (ptrdiff_t at = 0; at < count; at += 16) __builtin_prefetch(scores + at);
#else
    (void)scores, (void)count;
#endif
}

/* Mean of some views of a row: scores [V, C] to mean [C]. Returns how many means are not finite. */
FOR_EACH_PROCESSOR
static ptrdiff_t mean_of_views(const float *scores, ptrdiff_t classes, const ptrdiff_t *views, ptrdiff_t count,
                               double *mean) {
    const float *first = scores + views[0] * classes;
    ptrdiff_t broken = 0;
    if (count == 1) {
        for (ptrdiff_t c = 0; c < classes; c++) mean[c] = first[c];
    } else {
        const float *second = scores + views[1] * classes;
        for (ptrdiff_t c = 0; c < classes; c++) mean[c] = (double)first[c] + (double)second[c];
        for (ptrdiff_t v = 2; v < count; v++) {
            const float *view = scores + views[v] * classes;
            for (ptrdiff_t c = 0; c < classes; c++) mean[c] += view[c];
        }
        if ((count & (count - 1)) == 0) { /* a power of two: the product is the quotient, and much faster */
            const double share = 1.0 / (double)count;
            for (ptrdiff_t c = 0; c < classes; c++) mean[c] *= share;
        } else {
            for (ptrdiff_t c = 0; c < classes; c++) mean[c] /= (double)count;
        }
    }
    for (ptrdiff_t c = 0; c < classes; c++) broken += !(fabs(mean[c]) < INFINITY);
    return broken;
}

FOR_EACH_PROCESSOR
static void begin_total(const double *mean, ptrdiff_t classes, double weight, double *total) {
    for (ptrdiff_t c = 0; c < classes; c++) total[c] = mean[c] * weight;
}

FOR_EACH_PROCESSOR
static void add_to_total(const double *mean, ptrdiff_t classes, double weight, double *total) {
    for (ptrdiff_t c = 0; c < classes; c++) total[c] += mean[c] * weight;
}

/* Place of a label in a row, from 0; equal scores rank by the lower class. */
FOR_EACH_PROCESSOR
static ptrdiff_t rank_in_row(const double *scores, ptrdiff_t classes, ptrdiff_t label) {
    const double own = scores[label];
    ptrdiff_t rank = 0;
    for (ptrdiff_t c = 0; c < label; c++) rank += scores[c] >= own;
    for (ptrdiff_t c = label + 1; c < classes; c++) rank += scores[c] > own;
    return rank;
}

#endif
