"""What bench/demo and bench/run share: medians, tables, TSV files, pictures. No I/O but files."""

import html
import math
import os
import subprocess


def median(values):
    values = sorted(values)
    n = len(values)
    if n == 0:
        return math.nan
    return values[n // 2] if n % 2 else (values[n // 2 - 1] + values[n // 2]) / 2


def number(value):
    """Three or four significant digits, without an exponent."""
    if value is None or math.isnan(value):
        return "-"
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    if size >= 100:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.1 else f"{value:.3f}"


def table(heading, rows):
    """Lines of a plain table: the first column to the left, numbers to the right."""
    cells = [heading] + rows
    widths = [max(len(str(row[i])) for row in cells) for i in range(len(heading))]
    lines = []
    for row in cells:
        first = str(row[0]).ljust(widths[0])
        rest = [str(cell).rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join([first] + rest).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return lines


def write_lines(path, lines):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def write_tsv(path, rows):
    write_lines(path, ["\t".join(str(cell) for cell in row) for row in rows])


def write_bars(path, title, note, panels):
    """An SVG of horizontal bars. panels: (caption, [(label, value or None, text)], logarithmic).

    The label "cress" has the colour. A value of None leaves the bar out and shows the text.
    """
    width, left, right, line, gap = 860, 170, 150, 22, 26
    out = []
    y = 70
    for caption, bars, logarithmic in panels:
        out.append(f'<text x="16" y="{y}" class="caption">{html.escape(caption)}</text>')
        y += 10
        values = [value for _, value, _ in bars if value is not None and value > 0]
        largest = max(values, default=1.0)
        smallest = min(values, default=1.0)
        for label, value, text in bars:
            length = 0.0
            if value is not None and value > 0:
                share = value / largest
                if logarithmic and largest > smallest:
                    # the shortest bar keeps a tenth: a logarithmic scale has no zero
                    share = 0.1 + 0.9 * math.log(value / smallest) / math.log(largest / smallest)
                length = max(1.0, share * (width - left - right))
            kind = "ours" if label.startswith("cress") else "theirs"
            out.append(f'<text x="{left - 8}" y="{y + 15}" class="label">'
                       f'{html.escape(label)}</text>')
            out.append(f'<rect x="{left}" y="{y + 3}" width="{length:.1f}" height="{line - 6}" '
                       f'class="{kind}"/>')
            out.append(f'<text x="{left + length + 6:.1f}" y="{y + 15}" class="value">'
                       f'{html.escape(text)}</text>')
            y += line
        y += gap
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" '
        f'viewBox="0 0 {width} {y}">',
        "<style>text{font-family:sans-serif;font-size:13px;fill:#222}"
        ".title{font-size:18px;font-weight:bold}.caption{font-weight:bold}"
        ".label{text-anchor:end}.note{fill:#666}.ours{fill:#2e8b57}.theirs{fill:#9aa7b0}</style>",
        f'<rect width="{width}" height="{y}" fill="#fff"/>',
        f'<text x="16" y="28" class="title">{html.escape(title)}</text>',
        f'<text x="16" y="46" class="note">{html.escape(note)}</text>',
    ]
    write_lines(path, head + out + ["</svg>"])


def machine():
    """One line that says on what it was measured."""
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for text in file:
            if text.startswith("model name"):
                model = text.split(":", 1)[1].strip()
                break
    release = os.uname()
    count = len(os.sched_getaffinity(0))
    cores = f"{count} core{'s' if count != 1 else ''}"
    return f"{model}, {cores}, Linux {release.release} {release.machine}"


def missing_packages(names):
    """Those of Debian's packages that are not installed."""
    missing = []
    for name in names:
        asked = subprocess.run(["dpkg-query", "-W", "-f", "${Status}", name],
                               capture_output=True, text=True, check=False)
        if "install ok installed" not in asked.stdout:
            missing.append(name)
    return missing
