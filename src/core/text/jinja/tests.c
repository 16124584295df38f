/* Tests: what may follow "is".  v[0] is the subject. */
#include "src/core/text/jinja/jinja.h"
#include <string.h>

#define TEST(name, condition)                                                                                          \
    static jvalue t_##name(nce_jinja *j, const jargs *a)                                                               \
    {                                                                                                                  \
        const jvalue v = a->v[0];                                                                                      \
        (void)j, (void)v;                                                                                              \
        return jbool(condition);                                                                                       \
    }
TEST(defined, v.kind != J_UNDEFINED)
TEST(undefined, v.kind == J_UNDEFINED)
TEST(none, v.kind == J_NONE)
TEST(string, v.kind == J_STRING)
TEST(number, jis_number(v))
TEST(integer, v.kind == J_INT)
TEST(float, v.kind == J_FLOAT)
TEST(boolean, v.kind == J_BOOL)
TEST(true, v.kind == J_BOOL && v.u.b)
TEST(false, v.kind == J_BOOL && !v.u.b)
TEST(mapping, v.kind == J_MAP)
TEST(sequence, v.kind == J_STRING || jis_list(v) || v.kind == J_MAP || v.kind == J_UNDEFINED)
TEST(iterable, v.kind == J_STRING || jis_list(v) || v.kind == J_MAP || v.kind == J_UNDEFINED)
TEST(callable, v.kind == J_MACRO || v.kind == J_BUILTIN || v.kind == J_METHOD)
TEST(odd, (nce_jinja_to_int(j, v, "odd") & 1) != 0)
TEST(even, (nce_jinja_to_int(j, v, "even") & 1) == 0)
TEST(in, nce_jinja_contains(j, v, a->v[1]))
TEST(eq, nce_jinja_equal(j, v, a->v[1]))
TEST(ne, !nce_jinja_equal(j, v, a->v[1]))
TEST(lt, nce_jinja_order(j, v, a->v[1]) < 0)
TEST(le, nce_jinja_order(j, v, a->v[1]) <= 0)
TEST(gt, nce_jinja_order(j, v, a->v[1]) > 0)
TEST(ge, nce_jinja_order(j, v, a->v[1]) >= 0)
TEST(sameas, v.kind == a->v[1].kind && nce_jinja_equal(j, v, a->v[1]))
#undef TEST

static jvalue t_divisibleby(nce_jinja *j, const jargs *a)
{
    const int64_t n = nce_jinja_to_int(j, a->v[0], "divisibleby"), by = nce_jinja_to_int(j, a->v[1], "divisibleby");
    if (by == 0) nce_jinja_fail(j, NCE_ERR_FORMAT, "division by zero");
    return jbool(by == -1 || n % by == 0);
}

/* Is there a cased letter, and does nothing change when the case is set? */
static jvalue in_case(nce_jinja *j, const jargs *a, jcase c, jcase other)
{
    const jvalue s = nce_jinja_str(j, a->v[0]);
    const jstring text = {s.u.s, s.n};
    return jbool(nce_jinja_equal(j, s, nce_jinja_recase(j, text, c)) &&
                 !nce_jinja_equal(j, s, nce_jinja_recase(j, text, other)));
}

static jvalue t_lower(nce_jinja *j, const jargs *a)
{
    return in_case(j, a, J_LOWER, J_UPPER);
}
static jvalue t_upper(nce_jinja *j, const jargs *a)
{
    return in_case(j, a, J_UPPER, J_LOWER);
}

static jvalue t_filter(nce_jinja *j, const jargs *a)
{
    return jbool(nce_jinja_find_filter(nce_jinja_to_text(j, a->v[0], "the name of a filter")) != NULL);
}

static jvalue t_test(nce_jinja *j, const jargs *a)
{
    return jbool(nce_jinja_find_test(nce_jinja_to_text(j, a->v[0], "the name of a test")) != NULL);
}

const jbuiltin *nce_jinja_find_test(jstring name)
{
    static const jbuiltin tests[] = {{"boolean", t_boolean, "value"},
                                     {"callable", t_callable, "value"},
                                     {"defined", t_defined, "value"},
                                     {"divisibleby", t_divisibleby, "value num"},
                                     {"eq", t_eq, "value other"},
                                     {"equalto", t_eq, "value other"},
                                     {"even", t_even, "value"},
                                     {"false", t_false, "value"},
                                     {"filter", t_filter, "value"},
                                     {"float", t_float, "value"},
                                     {"ge", t_ge, "value other"},
                                     {"greaterthan", t_gt, "value other"},
                                     {"gt", t_gt, "value other"},
                                     {"in", t_in, "value seq"},
                                     {"integer", t_integer, "value"},
                                     {"iterable", t_iterable, "value"},
                                     {"le", t_le, "value other"},
                                     {"lessthan", t_lt, "value other"},
                                     {"lower", t_lower, "value"},
                                     {"lt", t_lt, "value other"},
                                     {"mapping", t_mapping, "value"},
                                     {"ne", t_ne, "value other"},
                                     {"none", t_none, "value"},
                                     {"number", t_number, "value"},
                                     {"odd", t_odd, "value"},
                                     {"sameas", t_sameas, "value other"},
                                     {"sequence", t_sequence, "value"},
                                     {"string", t_string, "value"},
                                     {"test", t_test, "value"},
                                     {"true", t_true, "value"},
                                     {"undefined", t_undefined, "value"},
                                     {"upper", t_upper, "value"},
                                     {"==", t_eq, "value other"},
                                     {"!=", t_ne, "value other"},
                                     {"<", t_lt, "value other"},
                                     {"<=", t_le, "value other"},
                                     {">", t_gt, "value other"},
                                     {">=", t_ge, "value other"}};
    return nce_jinja_find_in(tests, sizeof tests / sizeof *tests, name);
}
