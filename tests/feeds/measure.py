#!/usr/bin/env python3
"""Measures `barid feed parse` against other projects' test suites and against generated faults.

    measure.py --barid target/release/barid --peers DIR [--out rows.json] [suite|corpus|mutants|arabic|hostile ...]

DIR holds checkouts named owner+name: kurtmckee+feedparser, mmcdole+gofeed, rometools+rome, feed-rs+feed-rs, w3c+feedvalidator,
Ranchero-Software+NetNewsWire, rust-syndication+rss, rust-syndication+atom. The interpreter needs feedparser from PyPI:
it is the reference for counts, and reads the dates other suites expect.
"""

import argparse
import collections
import json
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


def main():
    parts = {"suite": suite}
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
