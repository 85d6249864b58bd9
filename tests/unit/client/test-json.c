/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* test-json: the JSON of an execution has exactly its numbers and bytes. */
#include "json.h"

static void
assert_json(const char *variant, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) value = g_variant_parse(NULL, variant, NULL, NULL, &error);
    g_autofree char *line = NULL;

    g_assert_no_error(error);
    line = json_to_line(json_from_variant(value));
    g_assert_cmpstr(line, ==, expected);
}

static void
test_execution(void)
{
    assert_json(
        "{'status': <'error'>, 'stdout': <'a\\n\\u001bü'>,"
        " 'results': <[{'is-main-result': <true>,"
        "   'data': <{'text/plain': <'42'>, 'image/png': <[byte 0x89, 0x50, 0x00, 0xff]>}>}]>,"
        " 'error': <{'name': 'ValueError', 'value': '\"'}>,"
        " 'execution-count': <uint32 3>, 'duration-us': <uint64 1234567890123>}",
        "{\"status\":\"error\",\"stdout\":\"a\\n\\u001bü\","
        "\"results\":[{\"is-main-result\":true,"
        "\"data\":{\"text/plain\":\"42\",\"image/png\":\"iVAA/w==\"}}],"
        "\"error\":{\"name\":\"ValueError\",\"value\":\"\\\"\"},"
        "\"execution-count\":3,\"duration-us\":1234567890123}\n");
}

static void
test_empty(void)
{
    assert_json("@a{sv} {}", "{}\n");
    assert_json("@aa{sv} []", "[]\n");
    assert_json("@ay []", "\"\"\n");
    assert_json("''", "\"\"\n");
}

static void
test_numbers(void)
{
    assert_json("(byte 255, int16 -32768, uint16 65535, -5, uint32 4294967295)",
                "[255,-32768,65535,-5,4294967295]\n");
    assert_json("(int64 -9223372036854775808, uint64 9223372036854775807)",
                "[-9223372036854775808,9223372036854775807]\n");
    assert_json("uint64 18446744073709551615", "\"18446744073709551615\"\n");
    assert_json("(0.5, true, objectpath '/a', @g 'as')", "[0.5,true,\"/a\",\"as\"]\n");
    assert_json("(inf, -inf, nan)", "[null,null,null]\n");
}

static void
test_nested(void)
{
    assert_json("([(objectpath '/x', {'Id': <'x'>})], 'next')",
                "[[[\"/x\",{\"Id\":\"x\"}]],\"next\"]\n");
    assert_json("{'python': {'ready': <uint32 2>}}", "{\"python\":{\"ready\":2}}\n");
}

static void
test_error(void)
{
    g_autofree char *line = json_to_line(json_from_error("NoSuchSandbox", "no 'x'\n"));

    g_assert_cmpstr(line, ==,
                    "{\"error\":{\"name\":\"NoSuchSandbox\",\"message\":\"no 'x'\\n\"}}\n");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/client/json/execution", test_execution);
    g_test_add_func("/client/json/empty", test_empty);
    g_test_add_func("/client/json/numbers", test_numbers);
    g_test_add_func("/client/json/nested", test_nested);
    g_test_add_func("/client/json/error", test_error);
    return g_test_run();
}
