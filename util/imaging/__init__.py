"""Images to pictures: mosaics, camera colour, tone curves, rendering, and the files that hold pictures."""
