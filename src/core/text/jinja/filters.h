/* Filters on lists, for the table of all filters. */
#ifndef NCE_SRC_TEXT_JINJA_FILTERS_H
#define NCE_SRC_TEXT_JINJA_FILTERS_H
#include "src/core/text/jinja/jinja.h"

jfunction nce_jinja_f_length, nce_jinja_f_first, nce_jinja_f_last, nce_jinja_f_list, nce_jinja_f_reverse,
    nce_jinja_f_items, nce_jinja_f_join, nce_jinja_f_map, nce_jinja_f_select, nce_jinja_f_reject,
    nce_jinja_f_selectattr, nce_jinja_f_rejectattr, nce_jinja_f_sort, nce_jinja_f_dictsort, nce_jinja_f_unique,
    nce_jinja_f_min, nce_jinja_f_max, nce_jinja_f_sum;

#endif
