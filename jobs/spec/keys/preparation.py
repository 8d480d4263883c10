"""The keys of a specification that say how images become tensors, in the order of documentation."""

from __future__ import annotations

from jobs.spec.keys.key import Key

NATIVE = "native"
"""As the weights of each network ask for."""

PREPARATION_KEYS: dict[str, Key] = {
    "image_size": Key(
        224,
        str,
        "Width and height of the images; native: those that each network's weights ask for.",
        "width and height in pixels, or `native`: those that each network's weights ask for (224 "
        "for the catalog), the default of a run with a network outside the catalog.{built_in_sizes}"
        " {smallest_sizes}",
        metavar="PIXELS|native",
        needs="a whole number from 8 to 2,048, or 'native',",
    ),
    "resize": Key(
        NATIVE,
        str,
        "How images become squares: squash, crop or pad.",
        "how images become squares: `squash` (both sides to the same length), `crop` (the short "
        "side, then the centre), `pad` (the long side, then grey borders), or `native`: as each "
        "network's weights ask for (`squash` for the catalog)",
        choices=(NATIVE, "squash", "crop", "pad"),
        needs="one of native, squash, crop, pad",
        later=True,
    ),
    "interpolation": Key(
        NATIVE,
        str,
        "How images are resized.",
        "how images are resized: `nearest`, `bilinear`, `bicubic`, `lanczos`, or `native` "
        "(`bilinear` for the catalog)",
        choices=(NATIVE, "nearest", "bilinear", "bicubic", "lanczos"),
        needs="one of native, nearest, bilinear, bicubic, lanczos",
        later=True,
    ),
    "crop": Key(
        NATIVE,
        str,
        "Share of the resized image's side that the network gets.",
        "share of the resized image's side that is kept, above 0.1 and at most 1, or `native` "
        "(0.875 for the catalog)",
        metavar="SHARE|native",
        needs="a share above 0.1 and at most 1, or 'native',",
        later=True,
    ),
    "mean": Key(
        NATIVE,
        str,
        "Mean of red, green and blue that is subtracted.",
        "mean of red, green and blue (0 to 1) that is subtracted, such as `[0.5, 0.5, 0.5]`, or "
        "`native` (ImageNet's for the catalog)",
        metavar="R,G,B|native",
        needs="a list of three numbers from -1 to 2, such as 0.5,0.5,0.5, or 'native',",
        later=True,
    ),
    "deviation": Key(
        NATIVE,
        str,
        "Deviation of red, green and blue by which values are divided.",
        "deviation of red, green and blue by which values are then divided, or `native`",
        metavar="R,G,B|native",
        needs="a list of three numbers from 0.001 to 10, such as 0.5,0.5,0.5, or 'native',",
        later=True,
    ),
}
