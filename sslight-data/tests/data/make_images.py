"""Makes the encoded test images that the `image` crate cannot write. Needs Pillow.

    python3 make_images.py

`NAME.rgb` beside a picture is what Pillow's convert("RGB") gives for it: raw samples, 24x16x3.
"""

import pathlib

from PIL import Image

FOLDER = pathlib.Path(__file__).parent
WIDTH, HEIGHT = 24, 16


def gradient() -> Image.Image:
    image = Image.new("RGB", (WIDTH, HEIGHT))
    image.putdata([(10 * x, 15 * y, 120 + 5 * (x - y)) for y in range(HEIGHT) for x in range(WIDTH)])
    return image


def save(image: Image.Image, name: str, **options) -> None:
    image.save(FOLDER / name, **options)
    with Image.open(FOLDER / name) as decoded:
        (FOLDER / name).with_suffix(".rgb").write_bytes(decoded.convert("RGB").tobytes())


if __name__ == "__main__":
    save(gradient().convert("CMYK"), "cmyk.jpg", quality=95, subsampling=0)
    save(gradient(), "progressive.jpg", quality=95, subsampling=0, progressive=True)
    # Orientation 6: a viewer would turn it, Pillow's convert does not.
    exif = Image.Exif()
    exif[0x0112] = 6
    save(gradient(), "turned.jpg", quality=95, subsampling=0, exif=exif)
    save(gradient().quantize(16), "palette.png", transparency=3)
    save(gradient(), "lossless.webp", lossless=True)
