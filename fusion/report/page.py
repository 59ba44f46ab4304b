"""The page itself: sections of words, tables and pictures in one self-contained HTML file."""

from __future__ import annotations

import base64
import dataclasses
import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.errors import RecordingExists

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #2a78d6; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: 0; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
figure { margin: 1rem 0; } img { max-width: 100%; border-radius: 6px; background: #fff; }
figcaption, .lead { opacity: .8; } table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .25rem .75rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } tr:hover { background: var(--soft); }
video { max-width: 100%; border-radius: 6px; } code { background: var(--soft); padding: .1rem .3rem; }
"""


@dataclasses.dataclass
class Page:
    """A page under construction; add things in the order in which they are read."""

    title: str
    lead: str
    parts: list[str] = dataclasses.field(default_factory=list)

    def section(self, title: str, text: str = "") -> None:
        self.parts.append(f"<h2>{html.escape(title)}</h2>")
        if text:
            self.text(text)

    def text(self, text: str) -> None:
        self.parts.append(f"<p>{html.escape(text)}</p>")

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in header)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows
        )
        self.parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")

    def figure(self, figure: Figure, caption: str) -> None:
        """Add a matplotlib figure and let it go."""
        import matplotlib.pyplot as plt

        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
        plt.close(figure)
        self._image("png", buffer.getvalue(), caption)

    def image(self, png: bytes, caption: str) -> None:
        """Add an encoded PNG picture."""
        self._image("png", png, caption)

    def video(self, path: Path, caption: str) -> None:
        """Refer to a video beside the page."""
        name = html.escape(path.name, quote=True)
        self.parts.append(
            f'<figure><video controls loop muted src="{name}"></video>'
            f"<figcaption>{html.escape(caption)}</figcaption></figure>"
        )

    def _image(self, kind: str, data: bytes, caption: str) -> None:
        text = html.escape(caption)
        source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
        self.parts.append(
            f'<figure><img alt="{text}" src="{source}"><figcaption>{text}</figcaption></figure>'
        )

    def write(self, path: Path) -> None:
        """Write the page.

        Raises:
            RecordingExists: the path is taken; nothing is overwritten.
        """
        document = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{html.escape(self.title)}</title><style>{STYLE}</style></head><body>"
            f'<h1>{html.escape(self.title)}</h1><p class="lead">{html.escape(self.lead)}</p>'
            f"{''.join(self.parts)}</body></html>"
        )
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(document)
        except FileExistsError:
            raise RecordingExists(f"{path} exists already", mend="Name another --output") from None
