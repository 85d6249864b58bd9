# SPDX-License-Identifier: LGPL-2.1-or-later
"""boxes: finds box plots among lines.

matplotlib does not record which parts belong to a box. Both orientations are tried, and in each a
box is recognized by its whiskers: lines in its middle that end at its edges.
"""


_PAIRS_MAX = 200_000  # boxes and lines: all pairs are tried


class _Box:
    """Coordinates are those of the box: across is its position, along is the measured value."""

    def __init__(self, across, along):
        self.low, self.high = min(across), max(across)
        self.middle = (self.low + self.high) / 2
        # a notch may extend beyond the edges: its 11 corners are in the order of bxp()
        edges = (along[0], along[5]) if len(along) > 10 else along
        self.first, self.third = min(edges), max(edges)
        self.smallest, self.largest = self.first, self.third
        self.median = None
        self.whiskers = 0
        self.points = []

    def take(self, across, along):
        """Adds a line if it is a part of this box."""
        if not across or not all(self.low <= value <= self.high for value in across):
            return
        if self._is_middle(across):
            if len(along) != 2 or not self._take_whisker(min(along), max(along)):
                self.points = along  # the last: outliers; a mean precedes them
        elif along[0] == along[-1] and self.first <= along[0] <= self.third:
            self.median = along[0]  # caps may be here, too, but are drawn before it

    def _is_middle(self, across):
        slack = 1e-6 * (self.high - self.low)
        return all(abs(value - self.middle) <= slack for value in across)

    def _take_whisker(self, low, high):
        if high == self.first:
            self.smallest = low
        elif low == self.third:
            self.largest = high
        else:
            return False
        self.whiskers += 1
        return True

    def describe(self):
        outliers = [one for one in self.points if not self.smallest <= one <= self.largest]
        return {
            "min": self.smallest,
            "first_quartile": self.first,
            "median": self.median,
            "third_quartile": self.third,
            "max": self.largest,
            "outliers": outliers,
        }


def _data(line):
    """Returns the numbers of a line, also if dates or names were drawn."""
    return [[float(value) for value in line.get_data(orig=False)[i]] for i in (0, 1)]


def _vertices(patch):
    vertices = patch.get_path().vertices
    return [[float(value) for value in vertices[:, i]] for i in (0, 1)]


def _is_closed(xs, ys):
    return len(xs) in (5, 11) and xs[0] == xs[-1] and ys[0] == ys[-1]


def find_boxes(lines, patches):
    """Returns the boxes and whether they are horizontal; None if this is not a box plot."""
    shapes = [_vertices(patch) for patch in patches if type(patch).__name__ == "PathPatch"]
    if len(shapes) < len(patches):
        return None
    parts = [_data(line) for line in lines]
    if not shapes:
        shapes = [part for part in parts if _is_closed(*part)]
        parts = [part for part in parts if not _is_closed(*part)]
    if len(shapes) * len(parts) > _PAIRS_MAX:
        return None
    for is_turned in (False, True):
        across, along = (1, 0) if is_turned else (0, 1)
        boxes = [_Box(shape[across], shape[along]) for shape in shapes]
        for part in parts:
            for box in boxes:
                box.take(part[across], part[along])
        if boxes and all(box.median is not None and box.whiskers for box in boxes):
            return boxes, is_turned
    return None
