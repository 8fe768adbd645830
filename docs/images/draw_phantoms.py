"""Draw docs/images/phantoms.png: four classes by six made-up patients. Run it from the repository root."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from gadolin.phantoms import CLASSES, draw_patient

SIDE, COLUMNS, MARGIN = 144, 6, 104


def main() -> None:
    """Write the sheet beside this script."""
    rows = []
    for order, label in enumerate(CLASSES):
        caption = np.zeros((SIDE, MARGIN), np.uint8)
        cv2.putText(caption, label, (8, SIDE // 2), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 230, 1, cv2.LINE_AA)
        patients = (draw_patient(label, 4 * number + order, slices=3)[1].pixels for number in range(COLUMNS))
        shrunk = [cv2.resize(one, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for one in patients]
        rows.append(np.hstack([caption, *shrunk]))
    sheet = np.vstack(rows)
    path = Path(__file__).with_name("phantoms.png")
    path.write_bytes(cv2.imencode(".png", sheet, [cv2.IMWRITE_PNG_COMPRESSION, 9])[1].tobytes())


if __name__ == "__main__":
    main()
