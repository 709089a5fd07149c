"""A progress bar in a terminal; one plain line elsewhere."""

import shutil
import sys
import time

REDRAW_SECONDS = 0.1


class Progress:
    """Shows how many of `total_bytes` are done. Use as a context manager."""

    def __init__(self, title: str, total_bytes: int):
        self._title = title
        self._total_bytes = total_bytes
        self._live = sys.stdout.isatty()
        self._started = time.monotonic()
        self._drawn = 0.0

    def __enter__(self):
        if self._live:
            self._draw(0)
        else:
            print(f"{self._title} ({self._total_bytes / 1e6:.0f} MB)", flush=True)
        return self

    def __exit__(self, failed, *_):
        if not self._live:
            return
        if failed is None:
            self._draw(self._total_bytes)
        print(flush=True)

    def show(self, done_bytes: int) -> None:
        """Redraws, at most ten times a second."""
        if self._live and time.monotonic() - self._drawn >= REDRAW_SECONDS:
            self._draw(min(done_bytes, self._total_bytes))

    def _draw(self, done_bytes: int) -> None:
        self._drawn = time.monotonic()
        rate = done_bytes / 1e6 / max(self._drawn - self._started, 0.001)
        counts = f"{done_bytes / 1e6:4.0f} of {self._total_bytes / 1e6:.0f} MB  {rate:4.0f} MB/s"
        width = max(10, min(40, shutil.get_terminal_size().columns - len(self._title) - len(counts) - 6))
        full = round(width * done_bytes / self._total_bytes)
        done, left = ("█", "░") if "utf" in (sys.stdout.encoding or "").lower() else ("#", ".")
        print(f"\r{self._title}  {done * full}{left * (width - full)}  {counts}\x1b[K", end="", flush=True)
