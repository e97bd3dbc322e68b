#!/usr/bin/env python3
"""Measures `barid feed parse` against other projects' test suites and against generated faults.

    measure.py --barid target/release/barid --peers DIR [--out rows.json] [suite|lint|corpus|mutants|arabic|hostile ...]

DIR holds checkouts named owner+name: kurtmckee+feedparser, mmcdole+gofeed, rometools+rome, feed-rs+feed-rs, w3c+feedvalidator,
Ranchero-Software+NetNewsWire, rust-syndication+rss, rust-syndication+atom. The interpreter needs feedparser from PyPI:
it is the reference for counts, and reads the dates other suites expect.
"""

import argparse
import collections
import json
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import expectations  # noqa: E402


def share(rows, key):
    good = sum(1 for row in rows if row[key])
    return f"{good}/{len(rows)} = {100 * good / max(1, len(rows)):.1f} %"


def suite(options, rows):
    from feedparser.datetimes import _parse_date
    found = expectations.feedparser_suite(options.barid, options.peers / "kurtmckee+feedparser", _parse_date)
    print(f"feedparser's expectations, seven fields: exact {share(found, 'exact')}, loose {share(found, 'loose')}")
    for field, count in sorted(collections.Counter(row["field"] for row in found).items()):
        part = [row for row in found if row["field"] == field]
        print(f"  {field:8} n={count:4} exact {share(part, 'exact')}, loose {share(part, 'loose')}")
    go = expectations.gofeed_suite(options.barid, options.peers / "mmcdole+gofeed", _parse_date)
    print(f"gofeed's expectations: loose {share(go, 'loose')}")
    rows["feedparser"], rows["gofeed"] = found, go


LINT = {
    "missing_element": ["MissingElement", "MissingTitle", "MissingLink", "MissingDescription", "MissingSourceElement"],
    "duplicate_element": ["DuplicateElement"], "undefined_element": ["UndefinedElement"],
    "blank": ["NotBlank", "AttrNotBlank"], "missing_attribute": ["MissingAttribute", "MissingHref", "MissingTypeAttr"],
    "invalid_date": ["InvalidRFC3339Date", "InvalidRFC2822Date", "InvalidW3CDTFDate", "ProblematicalRFC822Date"],
    "invalid_link": ["InvalidLink", "InvalidFullLink", "InvalidUriChar"], "invalid_id": ["InvalidTAG", "InvalidURN"],
    "duplicate_id": ["DuplicateValue", "DuplicateEntries", "DuplicateIds"], "invalid_email": ["InvalidContact", "InvalidAddrSpec"],
    "invalid_language": ["InvalidLanguage"], "invalid_media_type": ["InvalidMIMEType", "InvalidMIMEAttribute", "InvalidTextType"],
    "invalid_number": ["InvalidInteger", "InvalidIntegerAttribute", "InvalidPositiveInteger", "InvalidNonNegativeInteger",
                       "InvalidHeight", "InvalidWidth"],
    "invalid_value": ["InvalidHour", "InvalidDay", "InvalidUpdatePeriod"],
    "contains_html": ["ContainsHTML", "ContainsUndeclaredHTML", "NotEscaped"], "script": ["SecurityRisk"],
    "duplicate_link": ["DuplicateAtomLink"], "missing_div": ["MissingXhtmlDiv"], "unexpected_space": ["UnexpectedWhitespace"],
    "missing_namespace": ["MissingNamespace"], "missing_self_link": ["MissingSelf"], "missing_guid": ["MissingGuid"],
}


def lint(options, rows):
    """feedvalidator's test cases: is its message among ours where it is expected, and absent where it must be?"""
    codes = {name: code for code, names in LINT.items() for name in names}
    found = []
    pattern = re.compile(r"Expect:\s*(!?)\s*(\w+)", re.S)
    for path in sorted((options.peers / "w3c+feedvalidator/testcases").rglob("*.xml")):
        if path.relative_to(options.peers / "w3c+feedvalidator/testcases").parts[0] not in ("atom", "rss", "rss20", "xml"):
            continue
        match = pattern.search(path.read_bytes().decode("latin-1"))
        if not match:
            continue
        negative, name = match.group(1) == "!", match.group(2)
        if name not in codes and not (negative and name == "Error"):
            continue
        done = subprocess.run([options.barid, "feed", "lint", str(path), "--json"], capture_output=True, timeout=60)
        said = [json.loads(line) for line in done.stdout.decode().splitlines()]
        if name == "Error":
            good = not any(one["severity"] == "error" for one in said)
        else:
            good = (codes[name] in [one["code"] for one in said]) != negative
        found.append({"file": str(path.relative_to(options.peers)), "name": name, "negative": negative, "good": good,
                      "said": [(one["code"], one["element"], one["value"]) for one in said]})
    wanted = [row for row in found if not row["negative"]]
    absent = [row for row in found if row["negative"] and row["name"] != "Error"]
    clean = [row for row in found if row["name"] == "Error"]
    print(f"lint: messages of {len(codes)} classes: found {share(wanted, 'good')}, absent where they must be "
          f"{share(absent, 'good')}, no error in files without one {share(clean, 'good')}")
    rows["lint"] = found


def main():
    parts = {"suite": suite, "lint": lint}
    try:
        import generated
        parts.update(generated.PARTS)
    except ImportError:
        pass
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--barid", required=True)
    parser.add_argument("--peers", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("parts", nargs="*")
    options = parser.parse_args()
    rows = {}
    for part in options.parts or list(parts):
        parts[part](options, rows)
        if options.out:
            options.out.write_text(json.dumps(rows, ensure_ascii=False, indent=1, default=str))


if __name__ == "__main__":
    main()
