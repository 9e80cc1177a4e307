# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The inner loops of fusion, compiled; what they mean is said in `gsm_bench.kernels.plain`."""

from libc.stdlib cimport free, malloc

cdef extern from "rows.h" nogil:
    void ask_for(const float *scores, Py_ssize_t count)
    Py_ssize_t mean_of_views(const float *scores, Py_ssize_t classes, const Py_ssize_t *views, Py_ssize_t count, double *mean)
    void begin_total(const double *mean, Py_ssize_t classes, double weight, double *total)
    void add_to_total(const double *mean, Py_ssize_t classes, double weight, double *total)
    Py_ssize_t rank_in_row(const double *scores, Py_ssize_t classes, Py_ssize_t label)

cdef extern from "crc32.h" nogil:
    int can_fold()
    unsigned int crc32_of(unsigned int sum, const void *content, size_t count)


cdef enum:
    AHEAD = 6  # rows
    SUMMED_BYTES = 16384  # ranked before their checksum is taken: they are in the first cache of a core

SUMS_ROWS = bool(can_fold())


def view_means(const float[:, :, ::1] block, const Py_ssize_t[::1] views, double[:, ::1] means):
    cdef Py_ssize_t row, broken = 0
    cdef Py_ssize_t rows = block.shape[0], classes = block.shape[2]
    if means.shape[0] != rows or means.shape[1] != classes:
        raise ValueError("means are not of the block's shape")
    _check_views(views, block.shape[1])
    if not rows or not classes:
        return True
    with nogil:
        for row in range(rows):
            broken += mean_of_views(&block[row, 0, 0], classes, &views[0], views.shape[0], &means[row, 0])
    return broken == 0


def add_weighted(const double[:, ::1] means, double weight, double[:, ::1] total, bint first):
    cdef Py_ssize_t row
    cdef Py_ssize_t rows = means.shape[0], classes = means.shape[1]
    if total.shape[0] != rows or total.shape[1] != classes:
        raise ValueError("the total is not of the means' shape")
    if not rows or not classes:
        return
    with nogil:
        if first:
            begin_total(&means[0, 0], rows * classes, weight, &total[0, 0])
        else:
            add_to_total(&means[0, 0], rows * classes, weight, &total[0, 0])


def label_ranks(const double[:, ::1] scores, const int[::1] labels, int[::1] ranks):
    cdef Py_ssize_t row
    cdef Py_ssize_t rows = scores.shape[0], classes = scores.shape[1]
    if labels.shape[0] != rows or ranks.shape[0] != rows:
        raise ValueError("labels and ranks are not of the scores' length")
    with nogil:
        for row in range(rows):
            if 0 <= labels[row] < classes:
                ranks[row] = <int>rank_in_row(&scores[row, 0], classes, labels[row])
            else:
                ranks[row] = -1


def rank_rows(
    const float[:, :, ::1] block, const Py_ssize_t[::1] views, const int[::1] labels, int[::1] ranks,
    double weight, double[:, ::1] total, bint first, unsigned int[::1] sums, Py_ssize_t rows_per_sum,
):
    cdef Py_ssize_t row, label, at = 0, start = 0, stop = 0, broken = 0
    cdef Py_ssize_t rows = block.shape[0], classes = block.shape[2], row_bytes = block.shape[1] * classes * sizeof(float)
    cdef bint adds = total.shape[0] > 0, summed = sums.shape[0] > 0
    _check_views(views, block.shape[1])
    if labels.shape[0] != rows or ranks.shape[0] != rows:
        raise ValueError("labels and ranks are not of the block's length")
    if adds and (total.shape[0] != rows or total.shape[1] != classes):
        raise ValueError("the total is not of the block's shape")
    if summed and (rows_per_sum < 1 or sums.shape[0] != (rows + rows_per_sum - 1) // rows_per_sum):
        raise ValueError("there is not one checksum for each of these rows")
    if not rows or not classes:
        sums[:] = 0
        return True
    cdef Py_ssize_t at_once = max(4, SUMMED_BYTES // row_bytes // 4 * 4) if summed else rows
    cdef double *mean = <double *>malloc(classes * sizeof(double))
    if mean == NULL:
        raise MemoryError()
    with nogil:
        while start < rows:
            stop = min(start + at_once, rows)
            if summed:
                at = start // rows_per_sum
                stop = min(stop, (at + 1) * rows_per_sum)
            for row in range(start, stop):
                if row + AHEAD < rows:
                    ask_for(&block[row + AHEAD, 0, 0], block.shape[1] * classes)
                broken += mean_of_views(&block[row, 0, 0], classes, &views[0], views.shape[0], mean)
                label = labels[row]
                ranks[row] = <int>rank_in_row(mean, classes, label) if 0 <= label < classes else -1
                if adds and first:
                    begin_total(mean, classes, weight, &total[row, 0])
                elif adds:
                    add_to_total(mean, classes, weight, &total[row, 0])
            if summed:
                if start == at * rows_per_sum:
                    sums[at] = 0
                sums[at] = crc32_of(sums[at], &block[start, 0, 0], (stop - start) * row_bytes)
            start = stop
    free(mean)
    return broken == 0


cdef _check_views(const Py_ssize_t[::1] views, Py_ssize_t held):
    cdef Py_ssize_t at
    if not views.shape[0]:
        raise IndexError("no views are chosen")
    for at in range(views.shape[0]):
        if not 0 <= views[at] < held:
            raise IndexError("a view that the block does not have")
