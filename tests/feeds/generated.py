"""Counts on whole corpora, one-fault mutants, Arabic encodings and dates, hostile files: all generated or read from the peers' folders."""

import hashlib
import json
import os
import re
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import expectations

ENDINGS = {".xml", ".rss", ".atom", ".rdf", ".cdf", ".json", ".feed"}
FOLDERS = {
    "kurtmckee+feedparser": "tests", "mmcdole+gofeed": "testdata", "w3c+feedvalidator": "testcases",
    "rometools+rome": "", "feed-rs+feed-rs": "", "Ranchero-Software+NetNewsWire": "",
    "rust-syndication+rss": "", "rust-syndication+atom": "", "miniflux+v2": "",
}
WORKERS = os.cpu_count() or 2


def corpus_files(peers):
    """Every file of the suites that looks like a feed, once by content."""
    seen = set()
    for name, folder in FOLDERS.items():
        for path in sorted((peers / name / folder).rglob("*")):
            if path.suffix.lower() not in ENDINGS or not path.is_file():
                continue
            raw = path.read_bytes()
            key = hashlib.sha256(raw).digest()
            if key not in seen and raw.strip():
                seen.add(key)
                yield path, raw


def corpus(options, rows):
    """Entries found, against feedparser's count of the same bytes."""
    import feedparser

    def one(item):
        path, raw = item
        said = expectations.run(options.barid, path)
        return path, len(said.get("entries", [])), said.get("crash")

    files = list(corpus_files(options.peers))
    with ThreadPoolExecutor(WORKERS) as pool:
        ours = {path: (count, crash) for path, count, crash in pool.map(one, files)}
    found = []
    for path, raw in files:
        try:
            count = len(feedparser.parse(raw).entries)
        except Exception:  # their crash is not our measure
            continue
        mine, crash = ours[path]
        found.append({"file": str(path.relative_to(options.peers)), "theirs": count, "ours": mine, "crash": crash,
                      "some": mine > 0, "same": mine == count})
    reference = [row for row in found if row["theirs"] > 0]
    some, same = (sum(row[key] for row in reference) for key in ("some", "same"))
    print(f"corpus: {len(found)} files, feedparser finds entries in {len(reference)}; barid finds some in {some} = "
          f"{100 * some / len(reference):.2f} %, the same number in {same} = {100 * same / len(reference):.2f} %; "
          f"crashes {sum(1 for row in found if row['crash'])}")
    rows["corpus"] = found


ITEM = re.compile(rb"<(?:\w+:)?(?:item|entry)[\s>]")
TITLE = re.compile(rb"<title[^>]*>(?!<!)([^<]{3,})</title>")


def mutants(raw):
    """(name, mutant) of one healthy feed: one fault each, in the middle of its items where the fault has a place."""
    items = [match.start() for match in ITEM.finditer(raw)]
    middle = items[len(items) // 2]
    titles = [match for match in TITLE.finditer(raw) if match.start() > middle] or list(TITLE.finditer(raw))
    # A hole in the text of a title; the description's start otherwise.
    if titles:
        hole = titles[0].start(1) + 1
    else:
        hole = raw.index(b">", middle) + 1
    tag = b"</item>" if b"</item>" in raw else b"</entry>" if b"</entry>" in raw else None

    def put(text, at=hole):
        return raw[:at] + text + raw[at:]

    yield "bare_amp", put(b" R & D ")
    yield "bare_lt", put(b" 3 < 4 ")
    yield "char_ref_1", put(b"&#x1;")
    yield "unclosed_b", put(b"<b>")
    yield "bad_byte", put(b"\xff")
    yield "nbsp", put(b"&nbsp;")
    yield "nul", put(b"\0")
    yield "control", put(b"\x0b")
    yield "stray_p_div", put(b"</p></div>")
    yield "php_warning", b"<br />\n<b>Warning</b>:  Cannot modify header information in <b>/w/f.php</b> on line <b>3</b><br />\n" + raw
    yield "cut_half", raw[:(len(raw) + middle) // 2 if middle > len(raw) // 2 else len(raw) // 2]
    yield "junk_after", raw + b"\n<script>track()</script> bye"
    yield "second_declaration", put(b'<?xml version="1.0"?>', middle)
    yield "comment_dashes", put(b"<!-- a -- b -->", middle)
    end = raw.index(b">", middle)
    if raw[end - 1:end] != b"/":
        yield "undeclared_prefix", put(b"<zz:x>1</zz:x>", end + 1)
        yield "duplicate_attribute", put(b'<category domain="a" domain="b">c</category>', end + 1)
    if tag:
        close = raw.find(tag, middle)
        if close > 0 and raw.find(tag, close + 1) > 0:
            yield "missing_end_item", raw[:close] + raw[close + len(tag):]
    yield "space_before", b"\n  " + raw


def real_feeds(options, rows):
    """Feeds of the suites with five items or more that barid finds no fault in."""
    for path, raw in corpus_files(options.peers):
        if len(ITEM.findall(raw)) < 5 or raw[:2] in (b"\xff\xfe", b"\xfe\xff") or path.suffix == ".json":
            continue
        said = expectations.run(options.barid, path)
        if len(said["entries"]) >= 5:
            yield path, raw, said


def mutate(options, rows):
    found, feeds = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for path, raw, healthy in real_feeds(options, rows):
            feeds += 1
            before = {met["fault"]: met["count"] for met in healthy["faults"]}
            ids = [entry["id"] for entry in healthy["entries"]]
            jobs = list(mutants(raw))
            for name, mutant in jobs:
                Path(folder, name).write_bytes(mutant)
            with ThreadPoolExecutor(WORKERS) as pool:
                answers = list(pool.map(lambda job: expectations.run(options.barid, Path(folder, job[0])), jobs))
            for (name, mutant), said in zip(jobs, answers):
                wanted = len(ITEM.findall(mutant)) - (len(ITEM.findall(raw)) - len(ids))
                named = [met["fault"] for met in said["faults"] if met["count"] > before.get(met["fault"], 0)]
                kept = min(len(said["entries"]), wanted)
                found.append({"file": str(path.relative_to(options.peers)), "fault": name, "wanted": wanted,
                              "kept": kept, "extra": len(said["entries"]) - kept, "named": named, "all": kept == wanted,
                              "crash": said.get("crash")})
    wanted, kept = sum(row["wanted"] for row in found), sum(row["kept"] for row in found)
    named = sum(1 for row in found if row["named"])
    print(f"mutants: {feeds} feeds, {len(found)} mutants; items kept {kept}/{wanted} = {100 * kept / wanted:.2f} %, "
          f"fault named in {named} = {100 * named / len(found):.2f} %, items too many {sum(row['extra'] for row in found)}")
    for name in sorted({row["fault"] for row in found}):
        part = [row for row in found if row["fault"] == name]
        lost = sum(row["wanted"] - row["kept"] for row in part)
        silent = sum(1 for row in part if not row["named"])
        if lost or silent:
            print(f"  {name}: {lost} items lost, {silent} of {len(part)} not named")
    rows["mutants"] = found


TITLES = ["افتتاح معرض الكتاب في مدينة الواحة", "الرئيس يستقبل وفداً من التجار", "انخفاض أسعار القمح والزيت هذا الأسبوع",
          "مباراة ودية بين فريقي الشمال والجنوب", "أمطار غزيرة على الساحل الغربي غداً"]


def arabic_feed(declared):
    items = "".join(f"<item><title>{title}</title><link>http://a.example/{n}</link><description>{title} {title}</description></item>\n"
                    for n, title in enumerate(TITLES))
    declaration = f' encoding="{declared}"' if declared else ""
    return f'<?xml version="1.0"{declaration}?>\n<rss version="2.0"><channel><title>نشرة</title>\n{items}</channel></rss>\n'


def mac_arabic(text):
    """Python calls it mac_arabic and writes it right."""
    return text.encode("mac_arabic", "replace")


def encodings():
    """(name, bytes, content type, titles that must be right)."""
    def made(declared, charset):
        return arabic_feed(declared).encode(charset)

    yield "utf-8", made("utf-8", "utf-8"), None
    yield "utf-8 bom", made("utf-8", "utf-8-sig"), None
    yield "utf-8 undeclared", made(None, "utf-8"), None
    yield "utf-16 le bom", made("utf-16", "utf-16"), None
    yield "utf-16 be bom", b"\xfe\xff" + made("utf-16", "utf-16-be"), None
    yield "utf-16 le no bom", made("utf-16", "utf-16-le"), None
    yield "utf-16 be no bom", made("utf-16", "utf-16-be"), None
    yield "utf-32 le bom", b"\xff\xfe\0\0" + made("utf-32", "utf-32-le"), None
    yield "utf-32 be", made("utf-32", "utf-32-be"), None
    yield "windows-1256", made("windows-1256", "cp1256"), None
    yield "cp1256 alias", made("cp1256", "cp1256"), None
    yield "iso-8859-6", made("iso-8859-6", "iso8859_6"), None
    yield "1256 by header", made(None, "cp1256"), "text/xml; charset=windows-1256"
    yield "1256 undeclared", made(None, "cp1256"), None
    yield "1256 labelled utf-8", made("utf-8", "cp1256"), None
    yield "1256 labelled latin-1", made("iso-8859-1", "cp1256"), None
    yield "1256 labelled 8859-6", made("iso-8859-6", "cp1256"), None
    yield "utf-8 labelled 1256", made("windows-1256", "utf-8"), None
    yield "utf-8 labelled latin-1", made("iso-8859-1", "utf-8"), None
    yield "utf-8, header says 1256", made(None, "utf-8"), "text/xml; charset=windows-1256"
    yield "utf-16 bom labelled utf-8", made("utf-8", "utf-16"), None
    yield "x-mac-arabic", mac_arabic(arabic_feed("x-mac-arabic")), None
    yield "double encoded 1252", arabic_feed("utf-8").encode().decode("latin-1").encode(), None
    yield "double encoded 1256", arabic_feed("utf-8").encode().decode("cp1256", "replace").encode(), None
    yield "one bad byte", made("utf-8", "utf-8").replace("الرئيس".encode(), b"\xff" + "الرئيس".encode(), 1), None
    yield "cut in a character", made("utf-8", "utf-8").replace("غداً</title>".encode(), "غداً</title>".encode()[1:], 1), None


DATES = [
    # RFC 822 and what passes for it
    ("Tue, 05 Sep 2023 08:15:00 GMT", "2023-09-05T08:15:00Z"), ("Tue, 05 Sep 2023 08:15:00 +0300", "2023-09-05T05:15:00Z"),
    ("Tue, 5 Sep 2023 08:15:00 Z", "2023-09-05T08:15:00Z"), ("05 Sep 23 08:15 EST", "2023-09-05T13:15:00Z"),
    ("Tue, 05 Sep 2023 08:15:00 EDT", "2023-09-05T12:15:00Z"), ("Tue, 05 Sep 2023 08:15 PDT", "2023-09-05T15:15:00Z"),
    ("Tuesday, 05 September 2023 08:15:00 GMT", "2023-09-05T08:15:00Z"), ("Tue,05 Sep 2023 08:15:00 GMT", "2023-09-05T08:15:00Z"),
    ("Tue, 05 Sept 2023 08:15:00 +0000", "2023-09-05T08:15:00Z"), ("Tue, 05 Sep 2023 08:15:00 +03:00", "2023-09-05T05:15:00Z"),
    ("Tue, 05 Sep 2023 08:15:00 +3", "2023-09-05T05:15:00Z"), ("Tue, 05 Sep 2023 08:15:00 GMT+3", "2023-09-05T05:15:00Z"),
    ("Tue, 05 Sep 2023 08:15:00 GMT+0300", "2023-09-05T05:15:00Z"), ("Tue, 05 Sep 2023 08:15:00 UTC", "2023-09-05T08:15:00Z"),
    ("Tue, 05 Sep 2023 08:15:00", "2023-09-05T08:15:00Z"), ("Tue, 05 Sep 2023", "2023-09-05T00:00:00Z"),
    ("Wed, 05 Sep 2023 08:15:00 GMT", "2023-09-05T08:15:00Z"), ("tue, 05 sep 2023 08:15:00 gmt", "2023-09-05T08:15:00Z"),
    ("Tue, Sep 5 2023 08:15:00 GMT", "2023-09-05T08:15:00Z"), ("Tue Sep  5 08:15:00 2023", "2023-09-05T08:15:00Z"),
    ("Tue Sep 05 08:15:00 UTC 2023", "2023-09-05T08:15:00Z"), ("Tue, 05-Sep-2023 08:15:00 GMT", "2023-09-05T08:15:00Z"),
    ("Tue, 05 Sep 2023 8:15:00 AM GMT", "2023-09-05T08:15:00Z"), ("Tue, 05 Sep 2023 08:15:00 -0000", "2023-09-05T08:15:00Z"),
    # ISO 8601
    ("2023-09-05T08:15:00Z", "2023-09-05T08:15:00Z"), ("2023-09-05T08:15:00+03:00", "2023-09-05T05:15:00Z"),
    ("2023-09-05T08:15:00.250Z", "2023-09-05T08:15:00.25Z"), ("2023-09-05T08:15Z", "2023-09-05T08:15:00Z"),
    ("2023-09-05T08:15:00+0300", "2023-09-05T05:15:00Z"), ("2023-09-05", "2023-09-05T00:00:00Z"),
    ("20230905T081500Z", "2023-09-05T08:15:00Z"), ("2023-09-05 08:15:00 UTC", "2023-09-05T08:15:00Z"),
    ("2023-09-05 08:15:00", "2023-09-05T08:15:00Z"), ("2023-09-05 08:15:00 +0300", "2023-09-05T05:15:00Z"),
    ("2023/09/05", "2023-09-05T00:00:00Z"), ("2023-09-05T08:15:00 Z", "2023-09-05T08:15:00Z"),
    ("2023-09-05T08:15:00", "2023-09-05T08:15:00Z"), ("20230905", "2023-09-05T00:00:00Z"),
    ("2023-09-05T08:15:00.1234567+03:00", "2023-09-05T05:15:00.123Z"), ("2023-09", "2023-09-01T00:00:00Z"), ("2023", "2023-01-01T00:00:00Z"),
    # Unix, United States
    ("1693901700", "2023-09-05T08:15:00Z"), ("1693901700000", "2023-09-05T08:15:00Z"),
    ("9/5/2023 8:15:00 AM", "2023-09-05T08:15:00Z"), ("September 5, 2023 8:15 AM", "2023-09-05T08:15:00Z"), ("Sep 5, 2023", "2023-09-05T00:00:00Z"),
    # Arabic
    ("الثلاثاء، 05 سبتمبر 2023 08:15:00 +0300", "2023-09-05T05:15:00Z"), ("5 سبتمبر 2023", "2023-09-05T00:00:00Z"),
    ("5 أيلول 2023", "2023-09-05T00:00:00Z"), ("٥ سبتمبر ٢٠٢٣", "2023-09-05T00:00:00Z"),
    ("05 سبتمبر 2023 08:15 ص", "2023-09-05T08:15:00Z"), ("05 سبتمبر 2023 08:15 م", "2023-09-05T20:15:00Z"),
    ("5 أيلول/سبتمبر 2023", "2023-09-05T00:00:00Z"), ("٢٠٢٣-٠٩-٠٥ ٠٨:١٥", "2023-09-05T08:15:00Z"),
    ("\u200f5 سبتمبر 2023\u200f", "2023-09-05T00:00:00Z"), ("الثلاثاء 5 تشرين الأول 2023", "2023-10-05T00:00:00Z"),
    ("٠٥/٠٩/٢٠٢٣", "2023-09-05T00:00:00Z"), ("5 سبتمبر، 2023 - 08:15 مساءً", "2023-09-05T20:15:00Z"),
    ("5th, September 2023 GMT", "2023-09-05T00:00:00Z"),
]


def arabic(options, rows):
    with tempfile.TemporaryDirectory() as folder:
        right, count = 0, 0
        for name, raw, content_type in encodings():
            path = Path(folder, "feed.xml")
            path.write_bytes(raw)
            said = expectations.run(options.barid, path, content_type=content_type)
            titles = [entry.get("title", "") for entry in said["entries"]]
            good = sum(a == b for a, b in zip(titles, TITLES))
            wanted = 4 if name in ("one bad byte", "cut in a character") else 5
            count += 1
            right += good >= wanted
            if good < wanted:
                print(f"  {name}: {good} of 5 titles, read as {said.get('encoding')}: {titles[:1]}")
        print(f"Arabic encodings: {right} of {count}")
        right, wrong = 0, []
        for raw, wanted in DATES:
            path.write_text(f"<rss version='2.0'><channel><item><title>x</title><pubDate>{raw}</pubDate></item></channel></rss>")
            said = expectations.run(options.barid, path)["entries"][0].get("published")
            right += said == wanted
            if said != wanted:
                wrong.append((raw, wanted, said))
        instants = sum(1 for _, _, said in wrong if said)
        print(f"dates: {right} of {len(DATES)}, wrong instants {instants}")
        for row in wrong:
            print("  ", *row)
        rows["dates"] = wrong


def hostile_files():
    """(name, bytes): what a publisher could send."""
    item = "<item><title>t</title><link>http://a.example/{n}</link><guid>{n}</guid></item>"
    rss = "<rss version='2.0'><channel>{}</channel></rss>".format
    lol = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    yield "billion laughs", f'<!DOCTYPE r [<!ENTITY l0 "lol">{lol}]>{rss("<item><title>&l9;</title></item>")}'.encode()
    yield "quadratic", f'<!DOCTYPE r [<!ENTITY a "{"x" * 50000}">]>{rss("<item><title>" + "&a;" * 20000 + "</title></item>")}'.encode()
    yield "xxe", f'<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>{rss("<item><title>&x;</title></item>")}'.encode()
    yield "300,000 items", rss("".join(item.format(n=n) for n in range(300000))).encode()
    yield "100,000 attributes", rss("<item " + " ".join(f'a{n}="1"' for n in range(100000)) + "><title>t</title></item>").encode()
    yield "100,000 equal attributes", rss("<item " + 'a="1" ' * 100000 + "><title>t</title></item>").encode()
    yield "100,000 namespaces", rss("<item " + " ".join(f'xmlns:a{n}="u{n}"' for n in range(100000)) + "><a9:b/><title>t</title></item>").encode()
    yield "200,000 deep", rss("<item><title>t</title></item>" + "<a>" * 200000 + "</a>" * 200000).encode()
    yield "200,000 deep, open", rss("<item><title>t</title>" + "<a>" * 200000).encode()
    yield "100,000 deep xhtml", ("<feed xmlns='http://www.w3.org/2005/Atom'><entry><content type='xhtml'>" + "<div>" * 100000 + "x" + "</div>" * 100000
                                 + "</content></entry></feed>").encode()
    yield "50 MB title", rss("<item><title>" + "x" * 50_000_000 + "</title></item>").encode()
    yield "50 MB cdata", rss("<item><description><![CDATA[" + "x" * 50_000_000 + "]]></description></item>").encode()
    yield "utf-16be bom, utf-16", b"\xfe\xff" + ('<?xml version="1.0" encoding="utf-16"?>' + rss(item)).encode("utf-16-be")
    yield "second declaration late", (rss(item)[:30] + " " * 70000 + '<?xml version="1.0" encoding="windows-1256"?>' + rss(item)).encode()
    yield "million <", rss("<item><title>" + "<" * 1_000_000 + "</title></item>").encode()
    yield "million open quotes", rss("<item>" + '<a b="' * 500_000 + "</item>").encode()
    yield "million open quotes '", rss("<item>" + "<a b='<c d=\"" * 300_000 + "</item>").encode()
    yield "million comments open", rss("<item>" + "<!--" * 500_000 + "</item>").encode()
    yield "million cdata open", rss("<item><title>" + "<![CDATA[" * 300_000 + "</title></item>").encode()
    yield "million cdata", rss("<item><title>" + "<![CDATA[a]]>" * 300_000 + "</title></item>").encode()
    yield "million pi open", rss("<item><title>" + "<?" * 500_000 + "</title></item>").encode()
    yield "million pi", rss("<item><title>" + "<?a <b>" * 200_000 + "</title></item>").encode()
    yield "million comments without end", rss("<item>" + "<!-- >" * 400_000 + "</item>").encode()
    yield "million cdata, one end", rss("<item>" + "<![CDATA[</item>" * 200_000 + "]]>" + "</item>").encode()
    yield "million doctypes with >", ("<!DOCTYPE a [>" * 200_000 + rss(item)).encode()
    yield "million doctypes", ("<!DOCTYPE a [" * 200_000 + rss(item)).encode()
    yield "million stray ends", rss("<item>" + "<a>" * 60 + "</b>" * 500_000 + "</item>").encode()
    yield "million stray ends in text", rss("<item><title>" + "</b>" * 500_000 + "</title></item>").encode()
    yield "million &", rss("<item><title>" + "&" * 1_000_000 + "</title></item>").encode()
    yield "million &a", rss("<item><title>" + "&aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" * 100_000 + "</title></item>").encode()
    yield "million bases", rss("".join(f"<a xml:base='{'b/' * 5}'>" for _ in range(100_000)) + item).encode()
    yield "long base", f"<rss xml:base='http://a.example/{'b/' * 100_000}'><channel>{item * 2000}</channel></rss>".encode()
    yield "million tags", rss("<item>" + "".join(f"<category>c{n}</category>" for n in range(100_000)) + "</item>").encode()
    yield "million authors", rss("<item>" + "".join(f"<author>c{n}</author>" for n in range(100_000)) + "</item>").encode()
    yield "million @", rss("<item><author>" + "a@" * 500_000 + "</author></item>").encode()
    yield "million skip hours", rss("<skipHours>" + "<hour>3</hour>" * 300_000 + "</skipHours>").encode()
    yield "million divs", ("<feed xmlns='http://www.w3.org/2005/Atom'><entry><content type='xhtml'><div>" + "<div>" * 300_000
                           + "</content></entry></feed>").encode()
    yield "controls", b"\x01\x02" * 500_000
    yield "noise", hashlib.shake_256(b"noise").digest(1_000_000)
    yield "markup noise", bytes(b"<>&\"'/!-[]?= ai\n"[b & 15] for b in hashlib.shake_256(b"markup").digest(2_000_000))
    yield "markup noise in an item", rss("<item>{}</item>").encode().replace(
        b"{}", bytes(b"<>&\"'/!-[]?= ai\n"[b & 15] for b in hashlib.shake_256(b"markup2").digest(2_000_000)))
    yield "json deep", b'{"version":"https://jsonfeed.org/version/1","items":' + b"[" * 200_000
    yield "json 100,000 items", b'{"version":"https://jsonfeed.org/version/1","items":[' + b'{"id":"1"},' * 100_000 + b"{}]}"


def hostile(options, rows):
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, raw in hostile_files():
            path = Path(folder, "feed.xml")
            path.write_bytes(raw)
            answer, usage = Path(folder, "out.json"), Path(folder, "usage")
            with answer.open("wb") as out:
                # GNU time: a child of this process would be charged with this process's memory.
                done = subprocess.run(["/usr/bin/time", "-f", "%U %S %M", "-o", str(usage), options.barid, "feed", "parse",
                                       str(path), "--json"], stdout=out, stderr=subprocess.DEVNULL, timeout=120)
            try:
                items = len(json.loads(answer.read_bytes())["entries"])
            except (ValueError, KeyError):
                items = "no JSON"
            user, system, rss = usage.read_text().splitlines()[-1].split()
            cpu = float(user) + float(system)
            found.append({"name": name, "cpu": cpu, "rss_mib": int(rss) / 1024, "size_mib": len(raw) / 2**20,
                          "exit": done.returncode, "items": items})
            row = found[-1]
            print(f"  {name:28} {row['size_mib']:6.1f} MiB in, {cpu:6.2f} s of CPU, {row['rss_mib']:6.1f} MiB peak, exit {row['exit']}, items {items}")
    slow = [row["name"] for row in found if row["cpu"] > 1]
    broken = [row["name"] for row in found if row["exit"] not in (0, 1) or row["items"] == "no JSON"]
    print(f"hostile: {len(found)} files; over 1 s: {slow or 'none'}; crashed: {broken or 'none'}")
    rows["hostile"] = found


PARTS = {"corpus": corpus, "mutants": mutate, "arabic": arabic, "hostile": hostile}
