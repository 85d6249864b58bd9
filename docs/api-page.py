#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""api-page: org.cloche1(5) from dbus/org.cloche1.xml, as reStructuredText.

Usage: api-page.py XML. A comment that begins with "NAME:" documents the element NAME that follows it: lines that begin
with @ describe its arguments, the other lines describe the element. The first comment after the licence describes the API.
"""
import re
import sys
import textwrap
import xml.etree.ElementTree as ElementTree

SIGNALS = {"false": "does not signal changes", "const": "does not change"}


def parse(path):
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True))
    return ElementTree.parse(path, parser).getroot()


def prologue(path):
    """The text of the comment that describes the API."""
    with open(path, encoding="utf-8") as file:
        comments = re.findall(r"<!--(.*?)-->", file.read(), re.DOTALL)
    return textwrap.dedent(next(text for text in comments if "SPDX" not in text).strip("\n"))


def escape(text):
    return re.sub(r"([\\*`|_])", r"\\\1", text)


def split(comment, name):
    """Splits a comment that begins with NAME: returns the texts of arguments by name, and the other paragraphs."""
    arguments, rest, current = {}, [], None
    lines = textwrap.dedent(comment.strip("\n")).strip().splitlines()
    lines[0] = lines[0].strip().removeprefix(f"{name}:").strip()
    for line in lines:
        found = re.match(r"\s*@(\w+):\s*(.*)", line)
        if found:
            current = found.group(1)
            arguments[current] = [found.group(2)] if found.group(2) else []
        elif current and line.strip():
            arguments[current].append(line.strip())
        else:
            current = None
            rest.append(line.strip())
    paragraphs = [" ".join(block.split()) for block in "\n".join(rest).split("\n\n")]
    return ({key: " ".join(words) for key, words in arguments.items()},
            [text for text in paragraphs if text and not text.startswith("@")])


def described(parent):
    """Yields each child element with the comment that documents it, or None."""
    comment = None
    for child in parent:
        if child.tag is ElementTree.Comment:
            comment = child.text
            continue
        name = child.get("name", "")
        belongs = comment is not None and comment.strip().startswith(f"{name}:")
        yield child, comment if belongs else None
        comment = None


def section(title, underline):
    print(f"{title}\n{underline * len(title)}\n")


def print_member(element, comment):
    kind, name = element.tag, element.get("name")
    arguments = [child for child in element if child.tag == "arg"]
    texts, paragraphs = split(comment, name) if comment else ({}, [])
    if kind == "property":
        head = f"{name} ({element.get('type')})"
    else:
        given = ", ".join(f"{a.get('type')} {a.get('name')}" for a in arguments
                          if kind == "signal" or a.get("direction") == "in")
        back = ", ".join(f"{a.get('type')} {a.get('name')}" for a in arguments
                         if kind == "method" and a.get("direction") == "out")
        head = f"{name} ({given})" + (f" → ({back})" if back else "")
    print(f"**{escape(head)}**\n")
    for text in paragraphs:
        print(f"    {escape(text)}\n")
    for argument in arguments:
        name = argument.get("name")
        if name in texts:
            print(f"    *{escape(name)}*: {escape(texts[name])}\n")


def print_interface(interface):
    section(interface.get("name").upper(), "=")
    for tag, title in ("method", "Methods"), ("signal", "Signals"), ("property", "Properties"):
        members = [(child, comment) for child, comment in described(interface) if child.tag == tag]
        if not members:
            continue
        section(f"{title} of {interface.get('name').rpartition('.')[2]}", "-")
        for child, comment in members:
            print_member(child, comment)


def main():
    root = parse(sys.argv[1])
    print("===========\norg.cloche1\n===========\n")
    print("-----------------------\nthe D-Bus API of cloche\n-----------------------\n")
    print(":Manual section: 5\n:Manual group: cloche\n")
    section("DESCRIPTION", "=")
    text, _, errors = prologue(sys.argv[1]).partition("Errors are org.cloche1.Error.NAME:")
    for paragraph in text.split("\n\n"):
        if paragraph.strip():
            print(escape(" ".join(paragraph.split())) + "\n")
    for interface in root:
        if interface.tag == "interface":
            print_interface(interface)
    section("ERRORS", "=")
    print("Errors are *org.cloche1.Error.NAME*::\n")
    print(textwrap.indent(textwrap.dedent(errors.strip("\n")), "    "))
    print()
    section("SEE ALSO", "=")
    print("**cloche**\\(1), **cloched**\\(8), **busctl**\\(1), **gdbus**\\(1)")


if __name__ == "__main__":
    main()
