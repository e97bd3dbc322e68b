"""What other projects' test suites expect, and whether `barid feed parse --json` says it.

Their files are read from checkouts that the caller names; none of them is part of this repository.
"""

import ast
import html
import json
import re
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urljoin

FIELDS = {
    "title": "title", "title_detail": "title",
    "link": "link", "links": "link",
    "id": "id", "guid": "id",
    "published": "date", "updated": "date", "modified": "date", "issued": "date", "date": "date", "created": "date",
    "published_parsed": "date", "updated_parsed": "date", "modified_parsed": "date", "issued_parsed": "date",
    "date_parsed": "date", "created_parsed": "date",
    "author": "author", "author_detail": "author", "authors": "author",
    "content": "content",
    "summary": "summary", "summary_detail": "summary", "description": "summary", "subtitle": "summary",
    "tagline": "summary", "tagline_detail": "summary", "subtitle_detail": "summary",
}
TAG = re.compile(r"<[^>]*>")
SPACE = re.compile(r"\s+")


def run(barid, path, base=None, content_type=None, timeout=60):
    """The object barid prints for a file, or a dict with `crash`."""
    command = [barid, "feed", "parse", str(path), "--json"]
    if base:
        command += ["--base", base]
    if content_type:
        command += ["--content-type", content_type]
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return {"ok": False, "crash": "timeout", "entries": [], "feed": {}, "faults": []}
    if done.returncode not in (0, 1):
        return {"ok": False, "crash": done.stderr.decode()[-300:], "entries": [], "feed": {}, "faults": []}
    return json.loads(done.stdout)


def plain(text):
    """Text without tags, entities and runs of white space."""
    for _ in range(3):
        text = html.unescape(text)
    return SPACE.sub("", TAG.sub("", text)).strip()


def instant(value):
    """A feedparser tuple as RFC 3339 in UTC."""
    moment = datetime(*value[:6], tzinfo=timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def paths(node):
    """`entries[0]['a']['b']` as ("entries", 0, "a", "b"); None for anything else."""
    keys = []
    while True:
        if isinstance(node, ast.Subscript):
            keys.append(ast.literal_eval(node.slice))
            node = node.value
        elif isinstance(node, ast.Attribute):
            keys.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Name):
            return tuple([node.id] + keys[::-1])
        else:
            return None


def comparisons(expression):
    """(path, expected) pairs of a chain of `==` joined by `and`; None when the expression is something else."""
    def walk(node):
        if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
            found = [walk(value) for value in node.values]
            return None if any(one is None for one in found) else [pair for one in found for pair in one]
        if isinstance(node, (ast.UnaryOp, ast.Name)):
            return []  # `not bozo` and the like: about their parser, not about the feed
        if isinstance(node, ast.Compare) and all(isinstance(op, ast.Eq) for op in node.ops):
            sides = [node.left] + node.comparators
            known = [(paths(side), side) for side in sides]
            constants = []
            for path, side in known:
                if path is None:
                    try:
                        constants.append(ast.literal_eval(side))
                    except (ValueError, SyntaxError, TypeError):
                        return []
            if len(constants) != 1:
                return []
            return [(path, constants[0]) for path, _ in known if path is not None]
        return None

    try:
        return walk(ast.parse(expression.strip(), mode="eval").body)
    except (SyntaxError, ValueError, TypeError):
        return None


def field_of(path):
    """The one of the seven fields a path is about; None for other fields and for mere details."""
    if path[0] == "feed":
        keys = path[1:]
    elif path[0] == "entries" and len(path) > 1 and path[1] == 0:
        keys = path[2:]
    else:
        return None
    if not keys or keys[0] not in FIELDS:
        return None
    if len(keys) > 1 and keys[-1] not in ("value", "href", "url", "name", "email"):
        return None
    return FIELDS[keys[0]]


def values(said, path):
    """(exact candidates, loose candidates) of what barid says at feedparser's path."""
    where = said.get("feed", {}) if path[0] == "feed" else (said.get("entries") or [{}])[0]
    keys = path[1:] if path[0] == "feed" else path[2:]
    field, key, last = FIELDS[keys[0]], keys[0], keys[-1]
    people = where.get("authors", [])
    if field == "author":
        everything = [where.get("author")] + [v for person in people for v in person.values()]
        if len(keys) == 1:
            return [where.get("author")], everything
        name = "uri" if last in ("href", "url") else last
        exact = [person.get(name) for person in people]
        return exact[-1:] if key == "author_detail" else exact, everything
    if field == "date":
        name = key.replace("_parsed", "")
        name = {"modified": "updated", "date": "updated", "issued": "published"}.get(name, name)
        every = [where.get(n) for n in ("published", "updated", "created")]
        first = where.get(name) or (where.get("published") if name == "updated" else None)
        return [first], every
    if field == "link" and key == "links":
        links = [link.get("href") for link in where.get("links", [])]
        return ([links[keys[1]]] if len(links) > keys[1] else []), links + [where.get("link")]
    if field == "content":
        content = where.get("content", [])
        return content[keys[1]:keys[1] + 1], content + [where.get("summary")]
    if field == "summary":
        both = [where.get("summary"), where.get("subtitle")]
        if path[0] == "feed" or key.startswith("subtitle"):
            both.reverse()
        return [v for v in both if v][:1], both + where.get("content", [])
    return [where.get(field)], [where.get(field)]


def agrees(said, path, expected, parse_date):
    """(exact, loose) for one comparison."""
    exact, loose = values(said, path)
    exact, loose = [v for v in exact if v is not None], [v for v in loose if v is not None]
    if field_of(path) == "date":
        if isinstance(expected, (tuple, list)):
            wanted = instant(expected)
        else:
            read = parse_date(expected)
            wanted = instant(read) if read else None
        if wanted is None:
            return not exact, not exact
        strip = [re.sub(r"\.\d+Z$", "Z", v) for v in exact], [re.sub(r"\.\d+Z$", "Z", v) for v in loose]
        return wanted in strip[0], wanted in strip[1]
    expected = str(expected)
    if expected.strip() == "":
        return (not exact or exact[0] == "",) * 2
    return (expected.strip() in [v.strip() for v in exact],
            plain(expected) in [plain(v) for v in loose])


def feedparser_suite(barid, peers, parse_date):
    """One row for each of feedparser's expectations about the seven fields."""
    rows = []
    pattern = re.compile(r"Expect:\s*(.*?)\s*-->", re.S)
    for path in sorted((peers / "tests").rglob("*.xml")):
        if "sanitize" in path.parts:
            continue
        raw = path.read_bytes()
        text = next((t for t in decodings(raw) if "Expect:" in t), "")
        match = pattern.search(text)
        if not match:
            continue
        pairs = comparisons(match.group(1).split("\n")[0])
        if not pairs:
            continue
        pairs = [(p, e) for p, e in pairs if field_of(p)]
        if not pairs:
            continue
        headers = dict(re.findall(r"^Header:\s+([^:]+):\s*(.*)$", text, re.M))
        headers = {name.lower(): value.strip() for name, value in headers.items()}
        base = None
        if headers or path.name.startswith("http_"):
            # Where their test server serves the file.
            base = urljoin(f"http://127.0.0.1:8097/{path.relative_to(peers)}", headers.get("content-location", ""))
        said = run(barid, path, base, headers.get("content-type"))
        found = [agrees(said, p, e, parse_date) for p, e in pairs]
        rows.append({
            "file": str(path.relative_to(peers)), "field": field_of(pairs[0][0]),
            "exact": all(e for e, _ in found), "loose": all(l for _, l in found),
            "why": [(p, e, values(said, p)[0]) for (p, e), (_, l) in zip(pairs, found) if not l],
            "why_exact": [(p, e, values(said, p)[0]) for (p, e), (x, _) in zip(pairs, found) if not x],
            "entities": "entities" in path.parts, "crash": said.get("crash"),
        })
    return rows


def decodings(raw):
    """The text of a test file in the charsets their suite uses."""
    for charset in ("utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "latin-1"):
        try:
            yield raw.decode(charset)
        except (UnicodeDecodeError, UnicodeError):
            continue


def gofeed_pairs(peers):
    """(feed, expectation) files of gofeed's parser tests."""
    for expected in sorted((peers / "testdata/parser").rglob("*.json")):
        for ending in (".xml",):
            feed = expected.with_suffix(ending)
            if feed.exists():
                yield feed, expected


def gofeed_wanted(expected, kind):
    """[(slot, value)] of the seven fields in gofeed's own structs; slot is ("feed", field) or (index, field)."""
    wanted = []
    feed_map = {"title": "title", "description": "summary", "subtitle": "summary", "link": "link", "id": "id",
                "pubDate": "date", "lastBuildDate": "date", "updated": "date", "managingEditor": "author"}
    item_map = {"title": "title", "description": "summary", "summary": "summary", "link": "link", "id": "id",
                "pubDate": "date", "published": "date", "updated": "date", "author": "author", "content": "content"}

    def take(node, names, where):
        for name, field in names.items():
            value = node.get(name)
            if isinstance(value, dict):
                value = value.get("value")
            if isinstance(value, str) and value.strip():
                wanted.append((where, field, value))
        guid = node.get("guid")
        if isinstance(guid, dict) and guid.get("value", "").strip():
            wanted.append((where, "id", guid["value"]))
        for person in node.get("authors", []):
            for value in person.values():
                wanted.append((where, "author", value))
        for link in node.get("links", []):
            if isinstance(link, dict) and link.get("href"):
                wanted.append((where, "link", link["href"]))

    take(expected, feed_map, "feed")
    for index, item in enumerate(expected.get("items", expected.get("entries", [])) or []):
        take(item, item_map, index)
    return wanted


def gofeed_suite(barid, peers, parse_date):
    """One row for each of gofeed's parser pairs: every one of the seven fields it names must be there, and no entry missing."""
    rows = []
    for feed, path in gofeed_pairs(peers):
        expected = json.loads(path.read_text())
        said = run(barid, feed)
        count = len(expected.get("items", expected.get("entries", [])) or [])
        missing = []
        if count != len(said.get("entries", [])):
            missing.append(("count", count, len(said.get("entries", []))))
        for where, field, value in gofeed_wanted(expected, path.parent.name):
            node = said.get("feed", {}) if where == "feed" else dict(enumerate(said.get("entries", []))).get(where, {})
            if not gofeed_has(node, field, value, parse_date):
                missing.append((where, field, value, node.get(field)))
        rows.append({"file": str(feed.relative_to(peers)), "loose": not missing, "why": missing,
                     "crash": said.get("crash")})
    return rows


def gofeed_has(node, field, value, parse_date):
    """The value is there, in any slot of its field."""
    if field == "date":
        read = parse_date(value)
        slots = [node.get(n) for n in ("published", "updated", "created", "published_raw", "updated_raw")]
        return read is None or instant(read) in slots or value in slots
    slots = {
        "summary": [node.get("summary"), node.get("subtitle")] + node.get("content", []),
        "content": node.get("content", []) + [node.get("summary")],
        "author": [node.get("author")] + [v for person in node.get("authors", []) for v in person.values()],
        "link": [node.get("link")] + [link.get("href") for link in node.get("links", [])],
    }.get(field, [node.get(field)])
    slots = [plain(v) for v in slots if v]
    return plain(value) in slots or plain(value) == ""
