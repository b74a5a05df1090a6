"""Files to arrays: raw files, EXIF, pictures, arrays, lists of exposures, and the block cache."""
