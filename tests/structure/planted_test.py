#!/usr/bin/env python3
"""The checkers themselves: each finds the defect planted for it, and nothing in a clean tree."""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import behaviour
import contract
import format as layout
import headers
import layers
import snippets
import stacks
import symbols
import width

CLEAN = {
    "include/cress/base.h":
        "#ifndef A_H\n#define A_H\n"
        "#ifdef __cplusplus\nextern \"C\" {\n#endif\n"
        "#define API __attribute__((visibility(\"default\")))\n"
        "/** One. */\nAPI int cress_one(int x);\n\n"
        "/** Two. */\nstatic inline int cress_two(void)\n{\n    return 2;\n}\n"
        "#ifdef __cplusplus\n}\n#endif\n#endif\n",
    "include/cress/hub.h": "#include <cress/base.h>\n",
    "include/cress.h": "#include <cress/hub.h>\n",
    "src/base/list.h": "int cress__list(void);\n",
    "src/base/list.c":
        "#include \"base/list.h\"\n#include <cress/base.h>\n#include <stdio.h>\n"
        "int cress__list(void)\n{\n    return 1;\n}\n\n"
        "int cress_one(int x)\n{\n    return x;\n}\n",
    "src/hub/hub.c": "#include \"base/list.h\"\n#include <cress/hub.h>\n",
    "examples/one.c": "#include <cress.h>\n",
}


class Planted(unittest.TestCase):
    def setUp(self):
        self.tree = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.tree)
        for name, text in CLEAN.items():
            self.write(name, text)
        root = pathlib.Path(__file__).parents[2]
        shutil.copy(root / ".clang-format", self.tree)

    def write(self, name, text):
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def append(self, name, text):
        path = self.tree / name
        path.write_text(path.read_text() + text)

    def replace(self, name, old, new):
        path = self.tree / name
        self.assertIn(old, path.read_text())
        path.write_text(path.read_text().replace(old, new))

    def build(self, *options, extra=()):
        """The library of the planted tree, shared and static."""
        objects = []
        for source in [*sorted(self.tree.glob("src/**/*.c")), *extra]:
            objects.append(str(self.tree / (source.stem + ".o")))
            subprocess.run(["cc", "-c", "-fPIC", *options, "-I", self.tree / "src",
                            "-I", self.tree / "include", source, "-o", objects[-1]], check=True)
        shared, static = self.tree / "libx.so", self.tree / "libx.a"
        subprocess.run(["cc", "-shared", "-o", shared, *objects], check=True,
                       stderr=subprocess.DEVNULL)
        subprocess.run(["ar", "rcs", static, *objects], check=True)
        return shared, static

    def finds(self, result, *words):
        found, count = result
        self.assertGreater(count, 0)
        if not words:
            self.assertEqual(found, [])
            return
        self.assertEqual(len(found), 1, found)
        for word in words:
            self.assertIn(word, found[0])


class Layers(Planted):
    def test_a_clean_tree_passes(self):
        self.finds(layers.problems(self.tree))

    def test_an_upward_include_is_found(self):
        self.write("src/hub/park.h", "")
        self.append("src/base/list.c", '  #  include  "hub/park.h"  // why not\n')
        self.finds(layers.problems(self.tree), "src/base/list.c:13", "base must not see hub")

    def test_an_include_between_siblings_is_found(self):
        self.write("src/loop/timer.h", "")
        self.write("src/ctx/switch.c", '#include "loop/timer.h"\n')
        self.finds(layers.problems(self.tree), "ctx must not see loop")

    def test_an_upward_include_of_a_public_header_is_found(self):
        self.append("src/base/list.h", "#include <cress/hub.h>\n")
        self.finds(layers.problems(self.tree), "src/base/list.h:2", "base must not see hub")

    def test_a_public_header_that_looks_up_is_found(self):
        self.append("include/cress/base.h", "#include <cress/hub.h>\n")
        self.finds(layers.problems(self.tree), "include/cress/base.h", "base must not see hub")

    def test_an_internal_header_in_angle_brackets_is_found(self):
        self.append("src/base/list.c", "#include <base/list.h>\n")
        self.finds(layers.problems(self.tree), 'write it as "base/list.h"')

    def test_an_include_by_a_macro_is_found(self):
        self.append("src/base/list.c", "#include HIDDEN\n")
        self.finds(layers.problems(self.tree), "must name its file")

    def test_an_include_in_a_comment_is_none(self):
        self.append("src/base/list.c", '/*\n#include "hub/park.h"\n*/\n')
        self.finds(layers.problems(self.tree))

    def test_a_folder_without_a_layer_is_found(self):
        self.write("src/extra/x.c", "")
        self.finds(layers.problems(self.tree), "src/extra/x.c", "no layer")

    def test_an_example_that_looks_inside_is_found(self):
        self.append("examples/one.c", '#include "base/list.h"\n')
        self.finds(layers.problems(self.tree), "public headers only")


class Headers(Planted):
    def test_a_clean_tree_passes(self):
        self.finds(headers.problems(self.tree))

    def test_a_header_that_leans_on_another_is_found(self):
        self.write("include/cress/io.h", "static inline ssize_t f(void);\n")
        found, _ = headers.problems(self.tree)
        self.assertIn("cress/io.h with", "\n".join(found))

    def test_a_header_that_is_no_cplusplus_is_found(self):
        self.write("include/cress/io.h", "extern int *cress_new(int class);\n")
        if shutil.which("g++") or shutil.which("clang++"):
            found, _ = headers.problems(self.tree)
            self.assertTrue(found and all("++ -x c++" in problem for problem in found), found)

    def test_a_narrowing_in_an_inline_function_is_found(self):
        self.write("include/cress/io.h", "#ifndef IO_H\n#define IO_H\nstatic inline char cress_c"
                                         "(long x)\n{\n    return x;\n}\n#endif\n")
        self.assertTrue(headers.problems(self.tree)[0])

    def test_an_initialiser_that_is_no_cplusplus_is_found(self):
        self.write("include/cress/io.h", "typedef struct cress_x {\n    int a, b;\n} cress_x;\n"
                                         "#define CRESS_X_INIT { .b = 1 }\n")
        self.replace("include/cress/io.h", "typedef", "#ifndef IO_H\n#define IO_H\ntypedef")
        self.append("include/cress/io.h", "#endif\n")
        found, _ = headers.problems(self.tree)
        self.assertEqual(len(found), sum(bool(shutil.which(name)) for name in ("g++", "clang++")))


class Contract(Planted):
    def problems(self):
        return contract.problems(self.build("-fvisibility=hidden")[0], self.tree)

    def setUp(self):
        super().setUp()
        # the one exported function of this small library, by its attribute
        self.replace("src/base/list.c", "int cress_one", "__attribute__((visibility(\"default\"))) "
                                                         "int cress_one")

    def test_a_clean_tree_passes(self):
        self.finds(self.problems())

    def test_a_missing_comment_is_found(self):
        self.replace("include/cress/base.h", "/** One. */\n", "")
        self.finds(self.problems(), "base.h:7", "cress_one has no /** comment */")

    def test_an_ordinary_comment_does_not_count(self):
        self.replace("include/cress/base.h", "/** One. */", "/* One. */")
        self.finds(self.problems(), "cress_one has no /** comment */")

    def test_a_comment_does_not_serve_twice(self):
        self.replace("include/cress/base.h", "cress_one(int x);\n",
                     "cress_one(int x);\nstatic inline int cress_bare(void)\n{\n"
                     "    return 0;\n}\n")
        self.finds(self.problems(), "cress_bare has no /** comment */")

    def test_a_missing_comment_of_an_inline_function_is_found(self):
        self.replace("include/cress/base.h", "/** Two. */\n", "")
        self.finds(self.problems(), "cress_two has no /** comment */")

    def test_a_function_nobody_wrote_is_found(self):
        self.append("include/cress/hub.h", "/** Void. */\nvoid *cress_gone(int (*f)(int), int);\n")
        self.finds(self.problems(), "hub.h:3", "cress_gone is declared and not in the library")

    def test_a_function_nobody_declared_is_found(self):
        self.append("src/base/list.c", "__attribute__((visibility(\"default\"))) int cress_x;\n")
        self.finds(self.problems(), "cress_x is exported and no public header declares it")

    def test_types_members_and_callbacks_are_no_functions(self):
        self.append("include/cress/hub.h", "/* no contract */\ntypedef void *(*cress_fn)(void *);\n"
                                           "struct cress_ops {\n    int (*cress_go)(void);\n};\n"
                                           "typedef int cress_handler(int fd);\n"
                                           "enum cress_kind { cress_a, cress_b };\n")
        self.finds(self.problems())


class Symbols(Planted):
    def test_a_clean_tree_passes(self):
        self.replace("src/base/list.c", "int cress__list", "__attribute__((visibility(\"hidden\")))"
                                                           " int cress__list")
        self.finds(symbols.problems(*self.build()))

    def test_an_exported_internal_name_is_found(self):
        self.finds(symbols.problems(*self.build()), "exports cress__list")

    def test_the_symbol_map_keeps_internal_names_in(self):
        shared, _ = self.build()
        version = pathlib.Path(__file__).parents[2] / "src/cress.map"
        subprocess.run(["cc", "-shared", "-o", shared, f"-Wl,--version-script={version}",
                        *self.tree.glob("*.o")], check=True)
        self.assertEqual(symbols.exported(shared), {"cress_one"})

    def test_a_name_without_prefix_is_found(self):
        self.append("src/base/list.c", "__attribute__((visibility(\"hidden\"))) int list_len;\n")
        found, _ = symbols.problems(*self.build("-fvisibility=hidden"))
        self.assertTrue(any("list_len is in everybody's way" in problem for problem in found))


class Stacks(Planted):
    def test_a_clean_build_passes(self):
        self.build()
        self.finds(stacks.problems(self.tree))

    def test_an_assembly_file_without_its_note_is_found(self):
        self.write("asm/switch.S", ".text\n.globl cress_asm\ncress_asm: ret\n")
        self.build(extra=[self.tree / "asm/switch.S"])
        found, _ = stacks.problems(self.tree)
        text = "\n".join(found)
        self.assertIn("switch.o: has no .note.GNU-stack", text)
        self.assertIn("libx.so: asks for an executable stack", text)

    def test_a_program_with_an_executable_stack_is_found(self):
        self.write("asm/main.c", "int main(void)\n{\n    return 0;\n}\n")
        subprocess.run(["cc", "-z", "execstack", "-o", self.tree / "main",
                        self.tree / "asm/main.c"], check=True)
        self.finds(stacks.problems(self.tree), "main: asks for an executable stack")


class Format(Planted):
    def setUp(self):
        super().setUp()
        self.tool, reason = layout.formatter()
        if self.tool is None:
            self.skipTest(reason)

    def test_a_line_laid_out_otherwise_is_found(self):
        self.write("src/base/list.c", "int cress__list(void) {\n  return 1;\n}\n")
        found, _ = layout.problems(self.tree, self.tool)
        self.assertTrue(any("src/base/list.c" in problem for problem in found))

    def test_a_file_laid_out_well_passes(self):
        shutil.rmtree(self.tree / "include")
        self.finds(layout.problems(self.tree, self.tool))


class Width(Planted):
    def wide(self, name, text):
        """A line of 100 columns passes, one more is found."""
        self.write(name, text + "x" * (100 - len(text)) + "\n")
        self.finds(width.problems(self.tree))
        self.write(name, text + "x" * (101 - len(text)) + "\n")
        self.finds(width.problems(self.tree), name + ":1: 101 columns")

    def test_a_wide_comment_is_found(self):
        self.wide("src/hub/park.h", "/* ")

    def test_a_wide_line_of_python_is_found(self):
        self.wide("tests/structure/x.py", "# ")

    def test_a_wide_line_of_cmake_is_found(self):
        self.wide("CMakeLists.txt", "# ")

    def test_a_wide_line_of_a_script_is_found(self):
        self.wide("tools/setup", "#!/bin/sh ")

    def test_a_wide_line_of_prose_is_found(self):
        self.wide("docs/tour.md", "Once ")

    def test_a_wide_table_is_none(self):
        self.write("docs/tour.md", "| " + "x" * 200 + " |\n")
        self.finds(width.problems(self.tree))

    def test_columns_are_counted_not_bytes(self):
        self.write("docs/tour.md", "\u00e4" * 100 + "\n")
        self.finds(width.problems(self.tree))

    def test_what_was_built_is_left_alone(self):
        self.write("out/CMakeCache.txt", "")
        self.write("out/generated.c", "/" * 101 + "\n")
        self.finds(width.problems(self.tree))


class Behaviour(Planted):
    PAGE = "# Page\n\n## 1 Lives (1.1 to 1.2)\n\n| | case | shown by |\n|---|---|---|\n" \
           "| 1.1 | It lives | `hub.kill: it_lives`, `faults.hub: it_lives` |\n" \
           "| 1.2 | It ends | Left out: there is no end |\n"

    def setUp(self):
        super().setUp()
        self.write("docs/behaviour.md", self.PAGE)
        for name in ("hub/kill_test.c", "faults/hub.c"):
            self.write("tests/" + name, "static void it_lives(void **state)\n{\n}\n")

    def problems(self, strict=False):
        return behaviour.problems(self.tree, strict)[:2]

    def test_a_clean_page_passes(self):
        self.finds(self.problems())

    def test_a_missing_number_is_found(self):
        self.replace("docs/behaviour.md", "1.1 to 1.2", "1.1 to 1.3")
        self.finds(self.problems(), "1.3 is missing")

    def test_a_row_too_many_is_found(self):
        self.replace("docs/behaviour.md", "1.1 to 1.2", "1.1 to 1.1")
        self.finds(self.problems(), "out of order, twice, or no row: ['1.2']")

    def test_a_number_that_stands_twice_is_found(self):
        self.append("docs/behaviour.md", "| 1.2 | It ends | Left out: there is no end |\n")
        self.finds(self.problems(), "out of order, twice, or no row")

    def test_a_heading_that_promises_nothing_is_found(self):
        self.append("docs/behaviour.md", "## 2 More\n")
        found, _ = self.problems()
        self.assertIn("no row: ['## 2 More']", found[0])

    def test_a_row_without_test_or_reason_is_found(self):
        self.replace("docs/behaviour.md", "Left out: there is no end", "Left out")
        self.finds(self.problems(), "1.2 names no test, and no reason")

    def test_a_test_program_that_does_not_exist_is_found(self):
        self.replace("docs/behaviour.md", "hub.kill", "hub.gill")
        self.finds(self.problems(), "1.1: there is no test hub.gill")

    def test_a_test_that_does_not_exist_is_found(self):
        self.replace("tests/faults/hub.c", "it_lives", "it_dies")
        self.finds(self.problems(), "1.1: faults.hub has no it_lives")

    def test_not_yet_passes_until_it_is_strict(self):
        self.replace("docs/behaviour.md", "Left out: there is no end", "**Not yet**")
        self.finds(self.problems())
        self.finds(self.problems(strict=True), "1.2 has no test yet")


class Snippets(Planted):
    """A program that prints cress_one(7), and what its page says of it."""

    def page(self, says="7\n", call="cress_one(7)", status=0, after="```text\n%s```\n"):
        self.replace("src/base/list.c", "return x", 'printf("%d\\n", x);\n    return x')
        self.write("docs/tour.md", "```c\n#include <cress.h>\n\nint main(void)\n{\n"
                   f"    {call};\n    return {status};\n}}\n```\n\n" +
                   (after % says if "%s" in after else after))
        self.write("README.md", "")
        return snippets.problems(self.tree, self.build()[0], ["cc"])

    def test_a_program_that_prints_what_its_page_says_passes(self):
        self.finds(self.page())

    def test_a_program_that_prints_something_else_is_found(self):
        self.finds(self.page(says="8\n"), "docs/tour.md, block 1", "prints '7\\n', not '8\\n'")

    def test_a_program_that_fails_is_found(self):
        self.finds(self.page(status=3), "status 3")

    def test_a_program_that_does_not_compile_is_found(self):
        self.finds(self.page(call="return x"), "docs/tour.md, block 1", "undeclared")

    def test_a_program_without_its_output_is_found(self):
        self.finds(self.page(after="And so on.\n"), "does not say what it prints")

    def test_a_server_that_does_not_answer_is_found(self):
        self.finds(self.page(call='(void)"tcp:127.0.0.1:7000"'), "ConnectionRefusedError")

    def test_a_fragment_without_main_is_left_alone(self):
        self.write("README.md", "```c\nn = read(fd);\n```\n")
        self.assertEqual(snippets.problems(self.tree, self.build()[0], ["cc"]), ([], 0))


if __name__ == "__main__":
    unittest.main(verbosity=2)
